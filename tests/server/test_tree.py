"""The routes for the tree, over HTTP; and that the tree lists exactly what was registered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from dreamlake_pipeline.api.server import Asset, BatchAsset
from dreamlake_pipeline.ids import new_id
from dreamlake_pipeline.kinds import Kind
from dreamlake_pipeline.names import split_name
from dreamlake_pipeline.server import tree
from dreamlake_pipeline.server.index import upsert_assets
from dreamlake_pipeline.server.tree import list_nodes

Call = Callable[..., Any]
Make = Callable[..., BatchAsset]
Pages = Callable[..., list[Any]]


@pytest.fixture
def register(engine: Engine) -> Callable[..., None]:
    def write(*assets: BatchAsset) -> None:
        with engine.begin() as connection:
            upsert_assets(connection, list(assets))

    return write


@pytest.fixture
def nodes(every_page: Pages, owner: str) -> Callable[..., list[Any]]:
    def collect(project: str = "robots", **params: Any) -> list[Any]:
        return every_page(f"/namespaces/{owner}/projects/{project}/nodes", **params)

    return collect


def shown(nodes: list[Any]) -> list[str]:
    """Paths as `ls -F` writes them: folders end with a slash."""
    return [node["path"] + ("/" if node["type"] == "folder" else "") for node in nodes]


NAMES = ["/a.mp4", "/cam/left/1.mp4", "/cam/left/2.mp4", "/cam/right/1.mp4", "/cam-2/1.mp4", "/cam 3/x.mp4", "/z.csv"]


def test_a_folder_lists_its_children_by_name(
    register: Callable[..., None], asset: Make, nodes: Callable[..., list[Any]]
) -> None:
    register(*(asset(name) for name in NAMES))
    top = nodes()
    assert shown(top) == ["/a.mp4", "/cam/", "/cam 3/", "/cam-2/", "/z.csv"]
    assert shown(nodes(limit=1)) == shown(top)
    assert shown(nodes(path="/cam/")) == ["/cam/left/", "/cam/right/"]
    assert shown(nodes(path="/cam/left")) == ["/cam/left/1.mp4", "/cam/left/2.mp4"]
    assert shown(nodes(path="/cam/left/2.mp4")) == ["/cam/left/2.mp4"]

    file, folder = top[0], top[1]
    assert file["name"] == "a.mp4" and file["asset"]["name"] == "/a.mp4" and file["asset"]["id"] == file["id"]
    assert folder["name"] == "cam" and folder["asset"] is None and folder["parentId"] == file["parentId"]
    assert {node["parentId"] for node in nodes(path="/cam")} == {folder["id"]}


def test_recursive_lists_each_folder_before_its_content(
    register: Callable[..., None], asset: Make, nodes: Callable[..., list[Any]]
) -> None:
    register(*(asset(name) for name in NAMES), asset("/cam", bss=new_id()))
    tree = [
        "/a.mp4",
        "/cam",  # a file of the same name as a folder
        "/cam/",
        "/cam/left/",
        "/cam/left/1.mp4",
        "/cam/left/2.mp4",
        "/cam/right/",
        "/cam/right/1.mp4",
        "/cam 3/",
        "/cam 3/x.mp4",
        "/cam-2/",
        "/cam-2/1.mp4",
        "/z.csv",
    ]
    for limit in (1, 2, 3, 100):
        assert shown(nodes(recursive=True, limit=limit)) == tree
    assert shown(nodes(recursive=True, path="/cam", limit=2)) == tree[3:8]
    assert shown(nodes(recursive=True, path="/cam/right")) == tree[7:8]


segment = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/") | st.sampled_from("ab-. "),
    min_size=1,
    max_size=4,
).filter(lambda text: text not in (".", ".."))
paths = st.lists(segment, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.sets(paths, min_size=1, max_size=25), limit=st.integers(1, 10))
def test_the_tree_is_exactly_what_was_registered(
    engine: Engine, asset: Make, owner: str, names: set[str], limit: int
) -> None:
    project = f"p{new_id()}"
    batch = [asset(name, project=project) for name in names]
    files = {one.name for one in batch}  # in NFC
    with engine.begin() as connection:
        upsert_assets(connection, batch[::2])
        upsert_assets(connection, batch)

        def nodes(path: str, recursive: bool = False) -> Iterator[dict[str, Any]]:
            cursor = None
            while True:
                page = list_nodes(
                    connection,
                    owner,
                    project,
                    episode=None,
                    path=path,
                    recursive=recursive,
                    cursor=cursor,
                    limit=limit,
                )
                assert len(page.items) <= limit
                yield from (node.wire() for node in page.items)
                if not (cursor := page.cursor):
                    return

        def walk(path: str) -> Iterator[dict[str, Any]]:
            for node in nodes(path):
                yield node
                if node["type"] == "folder":
                    yield from walk(node["path"])

        tree = list(nodes("/", recursive=True))
        assert list(walk("/")) == tree

    found = shown(tree)
    assert len(found) == len(set(found))
    assert {path for path in found if not path.endswith("/")} == files
    assert {path for path in found if path.endswith("/")} == {f"{up}/" for name in files for up in ancestors(name)}
    folder_ids = {node["path"]: node["id"] for node in tree if node["type"] == "folder"}
    for node in tree:
        folder, filename = split_name(node["path"])
        assert node["name"] == filename
        assert folder == "/" or node["parentId"] == folder_ids[folder]


def ancestors(name: str) -> Iterator[str]:
    folder = split_name(name).folder
    while folder != "/":
        yield folder
        folder = split_name(folder).folder


def test_trees_of_episodes_are_apart(
    register: Callable[..., None], asset: Make, nodes: Callable[..., list[Any]]
) -> None:
    register(asset("/a.mp4"), asset("/b.mp4", episode_name="run/1"), asset("/c.mp4", episode_name="run/2"))
    assert shown(nodes()) == shown(nodes(episode="")) == ["/a.mp4"]
    assert shown(nodes(episode="run/1", recursive=True)) == ["/b.mp4"]


def test_a_project_with_episodes_only_has_an_empty_tree_beside_them(
    register: Callable[..., None], asset: Make, nodes: Callable[..., list[Any]], call: Call, owner: str
) -> None:
    register(asset("/a.mp4", episode_name="e"))
    assert nodes() == nodes(recursive=True) == []
    error = call("GET", f"/namespaces/{owner}/projects/robots/nodes", params={"path": "/x"}, status=404)["error"]
    assert "'/x'" in error["message"]


def test_episodes_and_projects_are_counted_and_paged(
    register: Callable[..., None], asset: Make, every_page: Pages, owner: str
) -> None:
    register(
        *(asset(f"/{i}.mp4", episode_name=f"e{i:02}") for i in range(11)),
        asset("/sound.wav", kind=Kind.AUDIO, episode_name="e03"),
        asset("/x.mp4", project="another"),
    )
    path = f"/namespaces/{owner}/projects/robots/episodes"
    episodes = every_page(path, limit=3)
    assert [(one["name"], one["assets"]) for one in episodes] == [(f"e{i:02}", 1 + (i == 3)) for i in range(11)]

    register(asset("/alone.mp4"), asset("/alone too.mp4"))
    first = every_page(path, limit=1)[0]
    assert (first["id"], first["name"], first["assets"]) == (None, None, 2) and first["createdAt"]
    assert every_page(path, limit=1)[1:] == episodes

    projects = every_page(f"/namespaces/{owner}/projects", limit=1)
    assert [(one["name"], one["assets"], one["namespace"]) for one in projects] == [
        ("another", 1, owner),
        ("robots", 14, owner),
    ]


def test_namespaces_are_those_that_the_token_reaches(
    register: Callable[..., None], asset: Make, call: Call, token: Callable[..., dict[str, str]], owner: str
) -> None:
    other = f"{owner}-2"
    register(asset("/a.mp4"), asset("/a.mp4", namespace=other))

    def names(*reached: str, **params: Any) -> list[str]:
        answer = call("GET", "/namespaces", headers=token(*reached), params={"limit": 1000} | params)
        return [one["name"] for one in answer["items"]]

    assert names(owner) == [owner]
    assert names(owner, other, "not-there") == [owner, other]
    assert {owner, other} <= set(names("*"))
    assert names(owner, other, limit=1) == [owner]


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/namespaces/{owner}/projects/nope/nodes", 404, "project 'nope'"),
        ("/namespaces/{owner}/projects/nope/episodes", 404, "project 'nope'"),
        ("/namespaces/{owner}/projects/robots/nodes?episode=nope", 404, "episode 'nope'"),
        ("/namespaces/{owner}/projects/robots/nodes?episode=%20x", 422, "episode"),
        ("/namespaces/{owner}/projects/robots/nodes?path=a", 422, "absolute"),
        ("/namespaces/{owner}/projects/robots/nodes?path=/a/..", 422, "'..'"),
        ("/namespaces/{owner}/projects/robots/nodes?path=/%00", 422, "control character"),
        ("/namespaces/{owner}/projects/robots/nodes?path=/nope", 404, "'/nope'"),
        ("/namespaces/{owner}/projects/robots/nodes?cursor=WyJhIl0", 422, "cursor"),
        ("/namespaces/{owner}/projects/robots/nodes?recursive=maybe", 422, "recursive"),
        ("/namespaces/{owner}/projects/Bad/nodes", 422, "project"),
        ("/namespaces/Bad/projects", 422, "namespace"),
        ("/namespaces/not-mine/projects", 403, "'not-mine'"),
        ("/namespaces/not-mine/projects/p/episodes", 403, "'not-mine'"),
        ("/namespaces/not-mine/projects/p/nodes", 403, "'not-mine'"),
    ],
)
def test_bad_questions_get_a_clear_answer(
    register: Callable[..., None], asset: Make, call: Call, owner: str, path: str, status: int, says: str
) -> None:
    register(asset("/a.mp4"))
    error = call("GET", path.format(owner=owner), status=status)["error"]
    assert says in error["message"]


def test_a_namespace_without_anything_is_not_found(call: Call, owner: str) -> None:
    assert owner in call("GET", f"/namespaces/{owner}/projects", status=404)["error"]["message"]


def test_a_playback_token_reaches_no_list(call: Call, token: Callable[..., dict[str, str]], owner: str) -> None:
    play = token(owner, scope="play")
    call("GET", "/namespaces", headers=play, status=403)
    call("GET", f"/namespaces/{owner}/projects", headers=play, status=403)


def test_me(call: Call, owner: str, token: Callable[..., dict[str, str]], service: TestClient) -> None:
    me = call("GET", "/auth/me", headers=token(owner, "b", scope="read"))
    assert (me["sub"], me["namespaces"], me["scope"]) == ("tester", [owner, "b"], "read") and me["expiresAt"]
    assert call("GET", "/auth/me", headers=token("*", ttl=None))["expiresAt"] is None
    assert service.get("/auth/me").status_code == 401


@pytest.mark.parametrize("path", ["/", "/a.mp4"])
def test_a_file_that_is_removed_while_it_is_listed_is_left_out(
    call: Call, register: Callable[..., None], engine: Engine, owner: str, asset: Make, monkeypatch: Any, path: str
) -> None:
    register(asset("/a.mp4"), asset("/b.mp4"))
    read = tree.assets_by_id

    def late(connection: Connection, ids: Collection[str]) -> dict[str, Asset]:
        with engine.begin() as other:
            other.execute(text("DELETE FROM assets WHERE path = '/a.mp4' AND id = ANY(:ids)"), {"ids": list(ids)})
        return read(connection, ids)

    monkeypatch.setattr(tree, "assets_by_id", late)
    where = f"/namespaces/{owner}/projects/robots/nodes"
    if path == "/":
        assert [node["name"] for node in call("GET", where)["items"]] == ["b.mp4"]
    else:
        call("GET", where, params={"path": path}, status=404)
