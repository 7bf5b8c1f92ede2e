import time, statistics, secrets
from pathlib import Path
from datetime import UTC, datetime
from dreamlake_pipeline import layout
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.api.bss import Record, Status
from dreamlake_pipeline.media.labels.make import make_label_track
from dreamlake_pipeline.bss.series import curves, rows, tables
from dreamlake_pipeline.bss.series.track import open_track
from pydantic_core import to_json
import cProfile, pstats, random


def test_perf(object_store):
    out = Path("/tmp/vs_out/perf")
    out.mkdir(exist_ok=True, parents=True)
    r = make_label_track(Path("/tmp/vs_data/big.csv"), out, filename="big.csv")
    now = datetime.now(UTC)
    rec = Record(
        id=secrets.token_hex(12),
        kind=Kind.LABEL_TRACK,
        owner="o",
        project="lab",
        episode=None,
        name="/big.csv",
        staging_hash=None,
        staging_key="k",
        size=1,
        content_type=None,
        status=Status.READY,
        created_at=now,
        updated_at=now,
        metadata={
            "seriesUrl": "x",
            "time": {"fields": list(r.time.fields), "unit": r.time.unit},
            "start": r.time.start,
            "end": r.time.end,
        },
    )
    for p in (r.path, r.series):
        object_store.upload(layout.result_key("o", "lab", Kind.LABEL_TRACK, rec.id, p.name), p, content_type="x")

    def ask(footers, a, b, w=1000, names=()):
        t = time.perf_counter()
        c = time.process_time()
        tr = open_track(object_store, footers, rec)
        told = curves.answer(tr, names, a, b, w)
        j = to_json(told, inf_nan_mode="null")
        return (
            time.perf_counter() - t,
            time.process_time() - c,
            told["raw"],
            told["entries"],
            len(told["times"]),
            len(j),
        )

    print()
    for _ in range(5):
        print("first", [round(x, 4) if isinstance(x, float) else x for x in ask(tables.Footers(), 0, None)])
    f = tables.Footers()
    ask(f, 0, None)
    for span in (5000, 1000, 500, 300, 200, 100, 50, 20, 10, 1):
        got = []
        for _ in range(7):
            a = random.uniform(0, 10000 - span)
            got.append(ask(f, a, a + span))
        print(
            "zoom",
            span,
            "wall",
            round(statistics.median(g[0] for g in got), 4),
            "cpu",
            round(statistics.median(g[1] for g in got), 4),
            got[0][2:],
        )
    for at in (0, 5000, 9999):
        t = time.perf_counter()
        tr = open_track(object_store, f, rec)
        a = rows.answer(tr.table, tr, [], at, None, 50)
        print("rows", time.perf_counter() - t, a["first"])
    p = cProfile.Profile()
    p.enable()
    for _ in range(5):
        ask(tables.Footers(), 0, None)
    p.disable()
    pstats.Stats(p).sort_stats("tottime").print_stats(12)
    p = cProfile.Profile()
    p.enable()
    for _ in range(5):
        a = random.uniform(0, 9000)
        ask(f, a, a + 100)
    p.disable()
    pstats.Stats(p).sort_stats("tottime").print_stats(14)
