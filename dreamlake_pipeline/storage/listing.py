"""The keys of a bucket, in order, whatever order its server lists them in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from .bucket import Bucket
from .failures import translated
from .objects import ObjectInfo, Page


class Listing(Bucket):
    def list_page(self, prefix: str, *, after: str = "", delimiter: str = "", limit: int = 1000) -> Page:
        """Up to `limit` keys under `prefix` that sort after `after`, in order of their UTF-8 bytes.

        With `delimiter`, what lies deeper is folded into prefixes, of which a page may have more than `limit`, and
        the same again. `prefix` is a folder: empty, or ending in `/`.
        """
        if delimiter:
            return _page(self._list(prefix, StartAfter=after, Delimiter=delimiter, MaxKeys=limit))
        found = list(islice(self._walk(prefix, after, limit), limit))
        return Page(found, [], truncated=len(found) == limit)

    def list_all(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the folder `prefix`, in order of the keys' UTF-8 bytes."""
        return self._walk(prefix, "", 1000)

    def list_beginning(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`, wherever that ends, and sorts after `after`; in the server's
        order."""
        where = {"StartAfter": after} if after else {}
        while True:
            found = self._list(prefix, **where)
            yield from _page(found).objects
            if not found.get("IsTruncated"):
                return
            where = {"ContinuationToken": found["NextContinuationToken"]}

    def _walk(self, folder: str, after: str, limit: int) -> Iterator[ObjectInfo]:
        """Every object in and below a folder that sorts after `after`, in order.

        One folder at a time, since not every server lists across folders in key order: one that finishes `run/` before
        it comes to `run.mp4`, which sorts first, never gives the latter when a page ends inside `run/`.
        """
        for entry in self._entries(folder, after, limit):
            if isinstance(entry, ObjectInfo):
                if entry.key > after:
                    yield entry
            elif entry > after or after.startswith(entry):
                yield from self._walk(entry, after, limit)

    def _entries(self, folder: str, after: str, limit: int) -> Iterator[ObjectInfo | str]:
        """The objects and folders (`…/`) right inside a folder, in order, from about `after` on."""
        inside = after.removeprefix(folder) if after.startswith(folder) else ""
        # A folder that `after` lies in sorts before `after`, and is still to be finished.
        start = folder + inside.split("/")[0] if "/" in inside else after
        where = {"StartAfter": start}
        waiting: dict[str, ObjectInfo | str] = {}
        given = ""
        while True:
            found = self._list(folder, Delimiter="/", MaxKeys=limit, **where)
            page = _page(found)
            waiting |= {entry.key: entry for entry in page.objects}
            waiting |= {name: name for name in page.prefixes if name > given}  # some servers repeat them
            names = sorted(waiting)
            if page.truncated and page.objects:
                # Nothing that sorts before the page's last object is still to come; a folder behind it waits.
                names = [name for name in names if name <= page.objects[-1].key]
            for name in names:
                given = name
                yield waiting.pop(name)
            if not page.truncated:
                return
            where = {"ContinuationToken": found["NextContinuationToken"]}

    def _list(self, prefix: str, **extra: Any) -> Any:
        with translated("list", prefix):
            return self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, **extra)


def _page(found: Any) -> Page:
    objects = [
        ObjectInfo(item["Key"], item["Size"], item["ETag"].strip('"'), item["LastModified"])
        for item in found.get("Contents", [])
    ]
    prefixes = [item["Prefix"] for item in found.get("CommonPrefixes", [])]
    return Page(objects, prefixes, found.get("IsTruncated", False))
