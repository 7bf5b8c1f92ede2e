"""`open`: a link to a page of the viewer that logs in once; and what `play` says of the viewer."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.viewer.app import create_app


@pytest.fixture
def viewer(
    services: Any,
    serve: Callable[..., AbstractContextManager[str]],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """The URL of a viewer, which the shell knows."""
    secret = "a secret of the viewer, for tests only"
    settings = Settings(remote=services.remote, bss_url=services.bss_url, viewer_secret=secret)  # type: ignore[arg-type]
    with serve(create_app(settings)) as url:
        monkeypatch.setenv("DREAMLAKE_VIEWER_URL", url)
        yield url


@pytest.fixture
def stored(dreamlake: Callable[..., Any], recordings: Path) -> dict[str, dict[str, Any]]:
    """The recordings, in project `robot`: the last event of each file."""
    done = dreamlake("ingest", recordings, "--episode", "robot", "--episode-per-folder", "--json")
    assert done.code == 0
    files: dict[str, dict[str, Any]] = done.files
    return files


def followed(link: str) -> str:
    """The page that a link leads to."""
    page = httpx.get(link)
    assert page.status_code == 303 and "set-cookie" in page.headers
    return str(page.headers["location"])


def test_the_last_line_is_the_link_of_what_was_named(
    dreamlake: Callable[..., Any], stored: dict[str, Any], owner: str, viewer: str, environment: dict[str, str]
) -> None:
    front = stored["front.mp4"]
    for words, page in {
        (): "/",
        ("robot",): f"/p/{owner}/robot",
        (f"robot@{owner}:run-001",): f"/p/{owner}/robot/e/run-001",
        ("robot:run-001", "/camera"): f"/p/{owner}/robot/e/run-001",
        ("robot:run-001/camera/front.mp4",): f"/f/{front['assetId']}",
        (front["bssId"],): f"/f/{front['assetId']}",
        (front["assetId"],): f"/f/{front['assetId']}",
        ("--episode", "robot:run-002"): f"/p/{owner}/robot/e/run-002",
    }.items():
        done = dreamlake("open", *words, "--print")
        assert done.code == 0, done.err
        link = done.out.splitlines()[-1]
        assert link.startswith(f"{viewer}/login/once/")
        assert environment["DREAMLAKE_API_KEY"] not in done.out + done.err
        assert followed(link) == page, words


def test_a_browser_is_opened_where_there_is_one(
    dreamlake: Callable[..., Any], stored: dict[str, Any], viewer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(opened.append(url)) or True)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    without = dreamlake("open", "robot")
    assert without.code == 0 and without.out.startswith(f"{viewer}/login/once/") and not opened
    monkeypatch.setenv("DISPLAY", ":0")
    done = dreamlake("open", "robot")
    assert (done.code, done.out) == (0, "")
    assert [urlsplit(url).path.startswith("/login/once/") for url in opened] == [True]


def test_what_is_not_there_is_named_as_by_other_verbs(
    dreamlake: Callable[..., Any], stored: dict[str, Any], viewer: str
) -> None:
    missing = dreamlake("open", "robot:run-01", "--print")
    assert (missing.code, missing.out) == (1, "") and "run-001" in missing.err
    many = dreamlake("open", "robot:run-001", "robot:run-002", "--print")
    assert (many.code, many.out) == (2, "")


def test_without_a_viewer_it_is_said_what_to_set(
    dreamlake: Callable[..., Any], stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DREAMLAKE_VIEWER_URL", raising=False)
    done = dreamlake("open", "robot", "--print")
    assert done.code == 3 and "DREAMLAKE_VIEWER_URL" in done.err
    monkeypatch.setenv("DREAMLAKE_VIEWER_URL", "http://127.0.0.1:1")
    assert dreamlake("open", "--print").code == 3


def test_play_names_the_page_beside_the_playlist(
    dreamlake: Callable[..., Any],
    stored: dict[str, Any],
    owner: str,
    viewer: str,
    pipeline: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    front = stored["front.mp4"]["bssId"]
    pipeline.work(owner, lambda record: None)
    page = f"{viewer}/p/{owner}/robot/e/run-001"
    done = dreamlake("play", front)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 1 and "/stream/master.m3u8" in done.out, "scripts take what is printed"
    assert page in done.err
    [told] = dreamlake("play", front, "--json").events
    assert told["viewerUrl"] == page and told.keys() == {"url", "expiresAt", "viewerUrl"}
    monkeypatch.delenv("DREAMLAKE_VIEWER_URL")
    assert dreamlake("play", front).err == ""
