"""The list of projects and the page of a project: what is on them, filters, pages, and what is running now."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from dreamlake_pipeline import layout
from dreamlake_pipeline.api.server import BatchAsset, EpisodeChange, Flag
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import kind_of
from dreamlake_pipeline.remote.http import ServiceClient
from dreamlake_pipeline.remote.server import IndexClient
from dreamlake_pipeline.storage import ObjectStore
from dreamlake_pipeline.viewer.running import view_of_running
from tests.conftest import SECRET
from tests.security.world import World
from tests.viewer.conftest import Seen
from tests.viewer.ingest import Lab

MARKUP = '<img src=x onerror="alert(1)"></script><b>&amp;'
EPISODES = 57  # more than a page


def asset(owner: str, episode: str | None, name: str, **more: Any) -> BatchAsset:
    kind = kind_of(name)
    assert kind is not None
    given = {"namespace": owner, "project": "cups", "episode": episode, "name": name, "kind": kind, "size": 1_000_000}
    given |= {"episode_name": episode, kind.spec.bss_id_field: new_id(), "status": "ready"}
    return BatchAsset.model_validate(given | more)


@pytest.fixture(scope="module")
def index(viewer: Seen) -> Iterator[IndexClient]:
    with ServiceClient("DreamLake Server", viewer.services.remote, viewer.services.token("*")) as http:
        yield IndexClient(http)


@pytest.fixture(scope="module")
def owner(index: IndexClient) -> str:
    """A namespace with a project `cups` of 57 episodes, run-000 the oldest, in which
    run-050 failed, run-051 is long, run-052 is good, run-053 is called otherwise, run-054 has no video."""
    owner = f"v{secrets.token_hex(5)}"
    for number in range(EPISODES):
        episode = f"run-{number:03}"
        files = [
            asset(owner, episode, "/camera/front.mp4", metadata={"durationSec": 400.0 if number == 51 else 10.0}),
            asset(owner, episode, "/labels/joints.csv", metadata={}),
        ]
        if number == 50:
            files[0] = asset(
                owner, episode, "/camera/front.mp4", status="failed", metadata={"error": {"code": "x", "message": "y"}}
            )
        if number == 53:
            files = [asset(owner, MARKUP, "/camera/<b>.mp4", metadata={"durationSec": 10.0})]
        if number == 54:
            files = files[1:]
        index.register_batch(files)
    index.register_batch([asset(owner, None, "/readme.vtt", metadata={})])
    index.change_episode(owner, "cups", "run-052", EpisodeChange(flag=Flag.GOOD, note=f"tipped over {MARKUP}"))
    return owner


@pytest.fixture
def browser_(viewer: Seen, owner: str) -> Iterator[httpx.Client]:
    with viewer.browser(viewer.reader(owner)) as browser:
        yield browser


def names(view: dict[str, Any]) -> list[str | None]:
    return [episode["name"] for episode in view["episodes"]]


def test_projects_are_those_that_the_key_reaches(viewer: Seen, owner: str, browser_: httpx.Client) -> None:
    [project] = browser_.get("/projects.json").json()["projects"]
    assert (project["namespace"], project["project"], project["path"]) == (owner, "cups", f"/p/{owner}/cups")
    assert project["files"] == 2 * EPISODES - 1 - 1 + 1
    assert project["statuses"] == {"ready": project["files"] - 1, "failed": 1}
    assert browser_.get("/.json", follow_redirects=True).json() == browser_.get("/projects.json").json()
    with viewer.browser(viewer.reader("somebody-else")) as other:
        assert other.get("/projects.json").json() == {"projects": [], "more": False}
        assert "Nothing is stored yet" in other.get("/").text
        assert other.get(f"/p/{owner}/cups").status_code == 403


def test_episodes_come_newest_first_page_by_page(owner: str, browser_: httpx.Client) -> None:
    seen: list[str | None] = []
    view = browser_.get(f"/p/{owner}/cups.json").json()
    assert view["totals"]["statuses"]["failed"] == 1
    while True:
        seen += names(view)
        assert len(view["episodes"]) <= 50
        if view["cursor"] is None:
            break
        view = browser_.get(f"/p/{owner}/cups.json", params={"cursor": view["cursor"]}).json()
    wanted = [MARKUP if number == 53 else f"run-{number:03}" for number in reversed(range(EPISODES))]
    assert [name for name in seen if name is not None] == wanted
    assert seen.count(None) == 1, "files of no episode"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=failed", ["run-050"]),
        ("min_length=300", ["run-051"]),
        ("min_length=300&max_length=350", []),
        ("flag=good", ["run-052"]),
        ("q=TIPPED", ["run-052"]),
        ("q=onerror", [MARKUP, "run-052"]),
        ("q=run-054&kind=video", []),
        ("q=run-054&kind=label-track", ["run-054"]),
        ("since=2100-01-01", []),
        ("until=2000-01-01", []),
        ("until=2199-12-31&q=run-001", ["run-001"]),  # the last day that there is
        ("status=&kind=&min_length=&q=run-001&since=&flag=", ["run-001"]),
    ],
)
def test_filters_leave_out_what_does_not_match(
    owner: str, browser_: httpx.Client, query: str, found: list[str]
) -> None:
    view = browser_.get(f"/p/{owner}/cups.json?{query}").json()
    assert sorted(name for name in names(view) if name) == sorted(found)
    assert browser_.get(f"/p/{owner}/cups?{query}").status_code == 200


@pytest.mark.parametrize(
    "query", ["status=done", "kind=film", "min_length=long", "max_length=-1", "min_length=nan", "since=yesterday",
              "until=0001-01-01", "flag=ugly", "cursor=made-up"],
)  # fmt: skip
def test_filters_that_are_none_are_named(owner: str, browser_: httpx.Client, query: str) -> None:
    refused = browser_.get(f"/p/{owner}/cups?{query}")
    assert refused.status_code == 422 and 'data-page="error"' in refused.text
    assert query.partition("=")[0] in refused.text


def test_the_next_page_keeps_the_filters(owner: str, viewer: Seen, page: Page) -> None:
    page.goto(viewer.link(f"/p/{owner}/cups?q=run-&kind=label-track", key=viewer.reader(owner)))
    rows = page.locator("#episodes tbody tr")
    expect(rows).to_have_count(50)
    expect(page.get_by_label("Name or note holds")).to_have_value("run-")
    page.get_by_role("link", name="Older").click()
    expect(rows).to_have_count(EPISODES - 1 - 50)
    assert "q=run-" in page.url and "kind=label-track" in page.url and "cursor=" in page.url
    page.get_by_role("link", name="Newest").click()
    expect(rows).to_have_count(50)
    page.get_by_label("With").select_option("video")
    page.get_by_label("Status").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Show all").click()
    expect(rows).to_have_count(50)


def test_names_and_notes_are_text(owner: str, viewer: Seen, page: Page) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"a name ran: {dialog.message}"))
    page.goto(viewer.link(f"/p/{owner}/cups?q=onerror"))
    link = page.get_by_role("link", name=MARKUP, exact=True)
    expect(link).to_be_visible()
    expect(page.get_by_text(f"tipped over {MARKUP}")).to_be_visible()
    expect(page.locator("#episodes b")).to_have_count(0)
    link.click()
    expect(page.locator("[data-page=episode]")).to_be_visible()
    expect(page.get_by_role("heading", name=MARKUP, exact=True)).to_be_visible()
    view = page.evaluate("JSON.parse(document.getElementById('view').textContent)")
    assert view["episode"] == MARKUP


def test_an_episode_that_is_called_like_data_has_a_page(
    owner: str, viewer: Seen, index: IndexClient, browser_: httpx.Client
) -> None:
    index.register_batch(
        [asset(owner, name, "/a.vtt", project="odd.json") for name in ("a/b c.json", "ü?#%2F", ".json")]
    )
    view = browser_.get(f"/p/{owner}/odd%2Ejson.json").json()
    assert view["project"] == "odd.json" and len(view["episodes"]) == 3
    page = browser_.get(f"/p/{owner}/odd%2Ejson")
    for episode in view["episodes"]:
        assert episode["path"] in page.text
        shown = browser_.get(episode["path"])
        assert shown.status_code == 200 and 'data-page="episode"' in shown.text, episode["path"]
        assert browser_.get(f"{episode['path']}.json").json()["episode"] == episode["name"]


def test_pictures_come_through_the_viewer(
    viewer: Seen, index: IndexClient, object_store: ObjectStore, page: Page
) -> None:
    world = World(viewer.services, object_store, f"v{secrets.token_hex(5)}", SECRET)
    video = next(iter(world.records.values()))
    metadata = {"durationSec": 1.0, "posterUrl": "stream"}
    index.register_batch([asset(world.owner, "run-1", "/a.mp4", bssVideoId=video, metadata=metadata)])
    page.goto(viewer.link(f"/p/{world.owner}/cups"))
    with page.expect_response("**/poster.jpg") as asked:
        page.reload()
    answer = asked.value
    assert answer.ok and answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "private, max-age=3600"
    address = page.locator("#episodes img").get_attribute("src")
    assert address == f"/results/video/{video}/poster.jpg"
    with viewer.browser(viewer.reader("somebody-else")) as other:
        assert other.get(address).status_code == 404


@pytest.mark.parametrize("is_busy", [False, True])
def test_what_is_running_is_asked_for_once(lab: Lab, is_busy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.ingest({"/a.csv": "time,q\n0,1\n"}, process=not is_busy)
    http, asked = lab.clients.bss.http, []
    get = http.get

    def noted(path: str, *rest: Any, **more: Any) -> Any:
        asked.append(path)
        return get(path, *rest, **more)

    monkeypatch.setattr(http, "get", noted)
    running = view_of_running(lab.clients, lab.namespace, lab.project)
    assert running == {"counts": {"processing": 0, "queued": int(is_busy)}, "more": False, "files": []}
    assert asked == ["/records/underway"]


def test_what_is_running_is_shown_while_it_runs(
    viewer: Seen, index: IndexClient, object_store: ObjectStore, new_page: Callable[..., Page]
) -> None:
    owner, data = f"v{secrets.token_hex(5)}", secrets.token_bytes(20)
    sha256 = hashlib.sha256(data).hexdigest()
    object_store.put(layout.staging_key(owner, "cups", sha256), data, content_type="application/octet-stream")
    headers = {"Authorization": f"Bearer {viewer.services.token('*')}"}
    body = {"owner": owner, "project": "cups", "episode": "run-1", "name": "/a.vtt", "stagingHash": sha256}
    made = httpx.post(f"{viewer.services.bss_url}/text-tracks", json=body, headers=headers)
    made.raise_for_status()
    index.register_batch([asset(owner, "run-1", "/a.vtt", bssTextTrackId=made.json()["id"], status="queued")])
    page = new_page()
    page.clock.install()
    page.goto(viewer.link(f"/p/{owner}/cups"))
    expect(page.locator("#running")).to_have_text("1 waiting")
    expect(page.locator("#episodes .state")).to_have_text("1 under way")
    httpx.delete(f"{viewer.services.bss_url}/text-tracks/{made.json()['id']}", headers=headers).raise_for_status()
    index.register_batch([asset(owner, "run-1", "/a.vtt", bssTextTrackId=made.json()["id"], status="ready")])
    page.clock.run_for(3000)
    expect(page.locator("#running")).to_be_hidden()
    expect(page.locator("#episodes .state")).to_have_text("ready")


def test_who_reads_only_is_told_so(owner: str, viewer: Seen, page: Page) -> None:
    page.goto(viewer.link(f"/p/{owner}/cups", key=viewer.reader(owner)))
    expect(page.get_by_text("test · reads only")).to_be_visible()
    expect(page.locator("#episodes tbody tr")).to_have_count(50)


def test_a_key_that_ends_while_one_looks_leads_to_the_form_and_back(owner: str, viewer: Seen, page: Page) -> None:
    page.goto(viewer.link(f"/p/{owner}/cups?q=run-001"))
    expect(page.locator("#episodes tbody tr")).to_have_count(1)
    page.context.clear_cookies()
    page.reload()
    expect(page.locator("[data-page=login]")).to_be_visible()
    page.get_by_label("API key").fill(viewer.reader(owner))
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#episodes tbody tr")).to_have_count(1)
    assert page.url == f"{viewer.url}/p/{owner}/cups?q=run-001"


def test_a_project_that_is_not_there_says_so(owner: str, browser_: httpx.Client) -> None:
    missing = browser_.get(f"/p/{owner}/nothing")
    assert missing.status_code == 404 and 'data-page="error"' in missing.text


def test_filters_fold_away_in_a_narrow_window(viewer: Seen, new_page: Callable[..., Page], owner: str) -> None:
    page = new_page(width=390, height=844)
    page.goto(viewer.link(f"/p/{owner}/cups"))
    form, status = page.get_by_role("search"), page.get_by_label("Status")
    expect(status).to_be_hidden()
    folded = form.bounding_box()
    assert folded and folded["height"] < 100  # two rows
    form.get_by_text("Filters", exact=True).click()
    status.select_option("failed")
    form.get_by_role("button", name="Filter").click()
    expect(page.locator("table.episodes tbody tr")).to_have_count(1)
    expect(form.locator("summary")).to_have_text("Filters · 1 set")
    expect(status).to_be_hidden()
    # A wide window has them all beside each other, and needs no summary.
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(status).to_be_visible()
    expect(form.locator("summary")).to_be_hidden()
