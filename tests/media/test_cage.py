"""Planted code, in a worker and in ffmpeg's place, tries everything: the cage as a whole lets nothing through, and each
of its layers holds by itself what it is there for."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import timeit
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.media.run import build, workers
from dreamlake_pipeline.media.run.bounds import LOOK, Bounds
from dreamlake_pipeline.media.run.cage import layer as layers
from dreamlake_pipeline.media.run.workers import Workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="layers are Linux's")

ATTACKS = Path(__file__).with_name("attacks.py").read_text()
SPACE: dict[str, Any] = {"__name__": "attacks"}
exec(ATTACKS, SPACE)
NAMES = list(SPACE["ATTACKS"])
PYTHON = "/usr/bin/python3"  # for planted programs: one that a worker may start

# What each layer refuses by itself, all others being left out.
HELD = {
    layers.NAMESPACES: {
        *("connect_tcp", "send_udp", "connect_abstract", "trace", "read_process", "signal_process", "limit_process"),
        "slow_process",
    },
    layers.ROOT: {
        *("read_environment", "read_own_parents_environment", "read_memory", "read_credentials", "list_home"),
        *("write_home", "write_system", "write_input", "open_home", "connect_unix"),
    },
    layers.USER: {
        *("read_environment", "read_own_parents_environment", "read_memory", "read_credentials", "list_home"),
        *("write_home", "write_input", "open_home", "trace", "read_process", "signal_process", "mount", "make_device"),
        *("connect_unix", "limit_process", "slow_process"),
    },
    layers.PRIVILEGES: {"mount", "make_device"},
    layers.LANDLOCK: {
        *("read_environment", "read_own_parents_environment", "read_memory", "read_credentials", "list_home"),
        *("write_home", "write_system", "write_input", "connect_tcp", "connect_abstract", "trace", "read_process"),
        *("signal_process", "mount", "make_device"),
    },
    layers.SECCOMP: {
        *("open_home", "connect_tcp", "send_udp", "connect_unix", "connect_abstract", "trace", "read_process", "mount"),
        *("become_root_of_a_namespace", "make_device", "keep_memory_uncounted", "set_up_io_uring", "limit_process"),
        "slow_process",
    },
    layers.LIMITS: {"open_many", "take_memory"},
}
# Layers that another one needs on any system, or where it can't be had else.
NEEDS = {layers.ROOT: {layers.NAMESPACES}}


@pytest.fixture(scope="module")
def aims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A process with a secret in its environment, a home with a secret in a file, and servers of every kind."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    (home / "credentials.json").write_text("secret")
    (home / "credentials.json").chmod(0o600)
    victim = subprocess.Popen(
        [sys.executable, "-c", "import sys, ctypes; b = ctypes.create_string_buffer(b'secret'); "
         "print(ctypes.addressof(b), flush=True); sys.stdin.read()"],
        env={"DREAMLAKE_AUTH_SECRET": "secret", "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert victim.stdout is not None
    address = int(victim.stdout.readline())
    sockets = [socket.socket(socket.AF_INET), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    abstract = f"dreamlake-test-{os.getpid()}"
    for where in (str(home / "socket"), "\0" + abstract):
        sockets.append(socket.socket(socket.AF_UNIX))
        sockets[-1].bind(where)
    for one in (sockets[0], *sockets[2:]):
        one.listen()
    yield {
        "pid": victim.pid,
        "address": address,
        "home": str(home),
        "tcp": sockets[0].getsockname()[1],
        "udp": sockets[1].getsockname()[1],
        "unix": str(home / "socket"),
        "abstract": abstract,
        "processes": 1000,
    }
    for one in sockets:
        one.close()
    victim.kill()
    victim.communicate()


ROOMY = replace(LOOK, output=2**20, files=100)


def inside(workers: Workers, code: str, *, subject: str = "evil.mp4", bounds: Bounds = ROOMY) -> Any:
    """What `told` is at the end of `code` in a worker."""
    told = "from dreamlake_pipeline.errors import Code, DreamlakeError\nimport json\n"
    told += "raise DreamlakeError(Code.NOT_MEDIA, json.dumps(told))"
    with pytest.raises(DreamlakeError) as caught:
        workers.run(timeit.timeit, subject=subject, bounds=bounds, stmt=f"{code}\n{told}", number=1)
    if caught.value.code is not Code.NOT_MEDIA:
        raise caught.value
    return json.loads(caught.value.message)


def attacked(workers: Workers, names: list[str], aims: dict[str, Any]) -> dict[str, Any]:
    """What came of attacks from within a worker."""
    code = f"space = {{'__name__': 'attacks'}}\nexec({ATTACKS!r}, space)\n"
    code += f"told = {{name: space['attack'](name, {aims!r}) for name in {names!r}}}"
    return dict(inside(workers, code))


def test_nothing_gets_out_of_a_worker(aims: dict[str, Any]) -> None:
    with Workers(1) as workers:
        missing = [layer for layer in workers.layers() if not layer.holds]
        done = {name: what for name, what in attacked(workers, NAMES, aims).items() if what is not None}
    if missing:
        held = set().union(*(HELD[layer.name] for layer in workers_layers() if layer.holds))
        done = {name: what for name, what in done.items() if name in held}
    assert done == {}


def workers_layers() -> list[layers.Layer]:
    with Workers(1) as workers:
        return workers.layers()


def test_the_cage_is_the_same_for_a_process_whose_files_are_closed_to_others() -> None:
    before = workers_layers()
    mask = os.umask(0o077)
    try:
        assert workers_layers() == before
    finally:
        os.umask(mask)


def test_the_attacks_succeed_where_there_is_no_cage(aims: dict[str, Any]) -> None:
    """Else the other tests would say nothing."""
    harmless = [name for name in NAMES if name not in ("fork_many", "take_memory", "mount", "make_device")]
    with Workers(1, without=layers.LAYERS) as workers:
        assert workers.layers() == []
        refused = {name for name, what in attacked(workers, harmless, aims).items() if what is None}
    assert refused <= {"set_up_io_uring"}  # which some kernels refuse to all


@pytest.mark.parametrize("name", HELD)
def test_each_layer_holds_by_itself(name: str, aims: dict[str, Any]) -> None:
    kept = {name} | NEEDS.get(name, set())
    with Workers(1, without=tuple(one for one in layers.LAYERS if one not in kept)) as workers:
        found = {layer.name: layer for layer in workers.layers()}
        if name not in found:
            pytest.skip(f"the layer {name} is for root alone")
        if not found[name].holds and name != layers.LIMITS:
            pytest.skip(f"the layer {name} can't be had here: {found[name].why}")
        done = {one: what for one, what in attacked(workers, sorted(HELD[name]), aims).items() if what is not None}
    assert done == {}


def test_a_process_is_no_bomb(aims: dict[str, Any]) -> None:
    """By limits, which count a user's processes: so there has to be another user, or a namespace of users."""
    with Workers(1) as workers:
        limits = next(layer for layer in workers.layers() if layer.name == layers.LIMITS)
        if not limits.holds:
            pytest.skip(limits.why)
        assert attacked(workers, ["fork_many"], aims) == {"fork_many": None}


@pytest.fixture
def planted(open_folder: Path, aims: dict[str, Any]) -> Path:
    """A program in ffmpeg's place, which attacks and says in its version line what it got."""
    if not Path(PYTHON).exists():
        pytest.skip(f"there is no {PYTHON}, which the planted program is written for")
    path = open_folder / "ffmpeg"
    main = f"aims = {aims!r}\ndone = {{name: what for name in ATTACKS if (what := attack(name, aims)) is not None}}\n"
    main += "print('ffmpeg version 8.1.3', json.dumps([done, dict(os.environ)]))\n"
    path.write_text(f"#!{PYTHON}\nimport json\n{ATTACKS}\n{main}")
    path.chmod(0o755)
    return path


def test_a_program_in_the_place_of_ffmpeg_gets_nothing(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with Workers(1, ffmpeg=str(planted)) as workers:
        missing = [layer.name for layer in workers.layers() if not layer.holds]
        if missing:
            pytest.skip(f"layers are missing here: {', '.join(missing)}")
        found = workers.run(build.look_at, subject="ffmpeg", bounds=LOOK, path=str(planted))
    done, environment = json.loads(found.version.removeprefix("ffmpeg version 8.1.3 "))
    assert done == {}
    assert "secret" not in json.dumps(environment)


def test_the_version_of_ffmpeg_is_asked_in_a_cage(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id of every recipe has it, and who asks for it holds every key."""
    monkeypatch.setattr(build, "_known", [])
    monkeypatch.setattr(build, "path", lambda: str(planted))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "secret" not in build.build().version


SLEEPS = f"98765.{os.getpid()}"  # seconds: nobody else sleeps as long, not even who runs these tests beside this one


def sleepers() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if SLEEPS in process.cmdline():
                found.append(process)
    return found


DAEMON = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv('/usr/bin/sleep', ['sleep', '{SLEEPS}'])
    os._exit(0)
os.wait()
time.sleep(0.3)
told = 1
"""


@pytest.mark.parametrize("without", [(), layers.LAYERS], ids=["caged", "bare"])
def test_nothing_outlives_a_worker(without: tuple[str, ...]) -> None:
    with Workers(1, without=without) as workers:
        assert inside(workers, DAEMON) == 1
        if not without and workers.layers()[0].holds:
            assert sleepers() == []  # not even its call
        elif without:
            assert len(sleepers()) == 1
    assert sleepers() == []


@pytest.mark.parametrize("without", [(), layers.LAYERS], ids=["caged", "bare"])
def test_nothing_outlives_a_run_that_is_killed(without: tuple[str, ...]) -> None:
    code = f"""
import subprocess
from dreamlake_pipeline.media.run.bounds import LOOK
from dreamlake_pipeline.media.run.workers import Workers
with Workers(1, without={without!r}) as workers:
    workers.run(subprocess.check_output, subject="x", bounds=LOOK, args=["/usr/bin/sleep", "{SLEEPS}"])
"""
    run = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not sleepers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sleepers()
    run.kill()
    run.wait()
    deadline = time.monotonic() + 10
    while sleepers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sleepers() == []


def test_what_fills_the_disk_is_stopped() -> None:
    code = "import os\nfor n in range(10 ** 9):\n with open(f\"{os.environ['TMPDIR']}/{n}\", 'wb') as file:\n"
    code += "  file.write(bytes(2 ** 20))\n"
    with Workers(1) as workers, pytest.raises(DreamlakeError) as caught:
        inside(workers, code, bounds=replace(LOOK, output=8 * 2**20, files=1000))
    assert caught.value.code is Code.MEDIA_TOO_LARGE and "evil.mp4" in caught.value.message


def test_what_makes_files_without_end_is_stopped_and_cleared_away(tmp_path: Path) -> None:
    code = "import os\nos.chdir(os.environ['TMPDIR'])\nfor n in range(3000):\n os.mkdir('d')\n os.chdir('d')\n"
    code += "import time\ntime.sleep(30)"
    with Workers(1, tmp_path) as workers, pytest.raises(DreamlakeError) as caught:
        inside(workers, code, bounds=replace(LOOK, files=100))
    assert caught.value.code is Code.MEDIA_TOO_LARGE
    assert list(tmp_path.iterdir()) == []


def test_processes_that_take_much_memory_together_are_stopped() -> None:
    code = "import os, time\nfor n in range(4):\n if os.fork() == 0:\n  kept = bytearray(os.urandom(1)) * 2 ** 27\n"
    code += "  time.sleep(30)\ntime.sleep(30)\ntold = 0"
    with Workers(1, resident=2**28) as workers:
        started = time.monotonic()
        with pytest.raises(DreamlakeError) as caught:
            inside(workers, code)
        assert caught.value.code is Code.CRASHES_WORKER
        assert time.monotonic() - started < 25
        assert inside(workers, "told = 1") == 1


def test_a_missing_layer_is_named_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with Workers(1, program=b"", no_program="there is no libseccomp.so.2") as bare:
        [missing] = [layer for layer in bare.layers() if layer.name == layers.SECCOMP]
        assert (missing.holds, missing.why) == (False, "there is no libseccomp.so.2")
        assert inside(bare, "told = 1") == 1
    monkeypatch.setattr(workers, "_is_required", lambda: True)
    bare = Workers(1, program=b"", no_program="there is no libseccomp.so.2")
    with bare, pytest.raises(DreamlakeError, match="seccomp: there is no libseccomp"):
        bare.layers()


@pytest.mark.skipif(os.geteuid() != 0, reason="it is root who can be somebody else")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("user", [0, 4321])
def test_all_of_this_for_another_user(user: int, open_folder: Path) -> None:
    """Where the interpreter can be reached by others, which a home of root's does not allow: a mount namespace does."""
    if not all(shutil.which(program) for program in ("unshare", "setpriv", "mount")):
        pytest.skip("util-linux is needed")
    base = sys.base_prefix
    closed = next((one for one in reversed(Path(base).parents) if not one.stat().st_mode & 0o001), None)
    python = open_folder / "python"
    python.mkdir()
    open_up = (
        f"mount --bind {base} {python} && mount -t tmpfs -o mode=755 tmpfs {closed} && mkdir -p {base} && "
        f"mount --bind {python} {base} && "
        if closed
        else ""
    )
    scratch = open_folder / "scratch"
    scratch.mkdir()
    os.chown(scratch, user, user)
    become = f"setpriv --reuid {user} --regid {user} --clear-groups" if user else ""
    others = f"-k 'not {test_all_of_this_for_another_user.__name__}' {__file__}"
    tests = f"{sys.executable} -m pytest -q -p no:cacheprovider -rs {others} --basetemp {scratch}/pytest"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{open_up} exec {become} {tests}"],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"TMPDIR": str(scratch), "HOME": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=380,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    print(done.stdout[-1500:])
