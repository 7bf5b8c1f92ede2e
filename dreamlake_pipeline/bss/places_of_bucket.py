"""The owners and projects of which something is in the bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .. import names
from ..errors import DreamlakeError
from ..storage import ObjectStore


def projects(store: ObjectStore, owner: str | None, project: str | None) -> Iterator[tuple[str, str]]:
    """Owners and projects, in order; of one owner, or of one project, as far as these are given."""
    for one in [owner] if owner is not None else _folders(store, ""):
        if not _is(names.check_owner, one):
            continue
        for other in [project] if project is not None else _folders(store, f"{one}/"):
            if _is(names.check_project, other):
                yield one, other


def _folders(store: ObjectStore, prefix: str) -> list[str]:
    """The names of the folders right below a prefix, in order."""
    found: set[str] = set()
    after = ""
    while True:
        page = store.list_page(prefix, after=after, delimiter="/")
        found.update(folder.removeprefix(prefix).rstrip("/") for folder in page.prefixes)
        if not page.truncated or not page.prefixes:
            return sorted(found)
        after = max(page.prefixes)[:-1] + "0"  # behind everything in the folder: "0" is next to "/"


def _is(check: Callable[[str], str], name: str) -> bool:
    try:
        check(name)
    except DreamlakeError:
        return False
    return True
