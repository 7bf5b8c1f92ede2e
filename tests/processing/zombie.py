"""A run in a process of its own, for tests that stop it: `python zombie.py BSS_URL TOKEN BUCKET PARTITION LEASE`.

It takes the batch and works it off, slowly: it says `begun`, and at its end what became of it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.processing.batch import BatchWork
from dreamlake_pipeline.processing.hold import Hold
from dreamlake_pipeline.processing.work import Workshop
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.pipeline import PipelineClient
from dreamlake_pipeline.storage import ObjectStore, open_client


class FarAway(ObjectStore):
    def download(self, key: str, path: Path) -> str:
        time.sleep(0.3)
        return super().download(key, path)


def main() -> None:
    url, token, bucket, partition, lease = sys.argv[1:]
    with ServiceClient("BSS", url, token) as http:
        hold = Hold(PipelineClient(http), partition, "zombie", lease_seconds=float(lease))
        shop = Workshop(hold.pipeline, FarAway(open_client(), bucket))
        try:
            with BatchWork(hold, shop, hold.begin().items, workers=2) as work:
                print("begun", flush=True)
                print("done", len(work.finish()), flush=True)
        except DreamlakeError as error:
            print(error.code, error.message, flush=True)


if __name__ == "__main__":
    main()
