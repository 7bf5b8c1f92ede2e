"""A watch waits for services that are away, from its beginning on, and goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.bss.app import create_app as create_bss
from dreamlake_pipeline.client import DreamLake, Selection
from dreamlake_pipeline.client.events import Waiting
from dreamlake_pipeline.client.watch import Watch
from dreamlake_pipeline.client.watch import watch as watch_module
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.server.app import create_app as create_server
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.storage import ObjectStore
from tests.conftest import SECRET, free_port
from tests.watch.conftest import Watching


def test_services_that_are_away_are_waited_for(
    new_database: Callable[[], str],
    object_store: ObjectStore,
    serve: Callable[..., AbstractContextManager[str]],
    owner: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_module, "_AWAY_PAUSES", (0.3, 0.3))
    monkeypatch.setattr("dreamlake_pipeline.client.storing.FIRST_SECONDS", 1.0)
    port, other = free_port(), free_port()
    urls = {"bss_url": f"http://127.0.0.1:{port}", "remote": f"http://127.0.0.1:{other}"}
    settings = Settings(postgres_url=new_database(), auth_secret=SECRET, bucket=object_store.bucket, **urls)
    key = issue_token(SECRET, sub="test", namespaces=[owner], ttl=600, scope=Scope.WRITE)
    (folder / "first.csv").write_text("time,x\n0,1\n")
    with DreamLake(api_key=key, namespace=owner, **urls) as lake:
        its = Watching(Watch(lake, Selection(folder, lake.target("robot")), settle=0.3)).start()

        def waits() -> list[bool]:
            return [event.is_over for event in its.events if isinstance(event, Waiting)]

        try:
            its.until(lambda: waits() == [False])
            with serve(create_server(settings), other):
                with serve(create_bss(settings), port):
                    its.until(lambda: its.told() == [("uploaded", "/first.csv")])
                    assert waits() == [False, True]
                (folder / "second.csv").write_text("time,x\n0,2\n")
                its.until(lambda: waits() == [False, True, False])
                with serve(create_bss(settings), port):
                    its.until(lambda: its.told() == [("uploaded", "/first.csv"), ("uploaded", "/second.csv")])
                    its.until(lambda: waits() == [False, True, False, True])
        finally:
            its.stop()


def test_a_token_that_is_not_valid_ends_it(services: Any, owner: str, folder: Path) -> None:
    with DreamLake(remote=services.remote, bss_url=services.bss_url, api_key="none", namespace=owner) as lake:
        watch = Watch(lake, Selection(folder, lake.target("robot")))
        with pytest.raises(DreamlakeError) as caught:
            next(watch.events())
    assert caught.value.code is Code.UNAUTHENTICATED


def test_once_gives_up_when_nobody_answers(owner: str, folder: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with DreamLake(remote=url, bss_url=url, api_key="none", namespace=owner) as lake:
        watch = Watch(lake, Selection(folder, lake.target("robot")), once=True)
        with pytest.raises(DreamlakeError) as caught:
            next(watch.events())
    assert caught.value.code is Code.UNREACHABLE
