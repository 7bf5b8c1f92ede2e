"""Files of a client held against what a project holds, so that it can be told beforehand what would be sent.

Nothing is written and the object store is not asked: what counts is what is registered. Bytes that arrived and were
not registered, as after an interruption, are found when the upload is planned in earnest.
"""

from __future__ import annotations

from sqlalchemy import Connection

from .. import layout
from ..api.bss import ComparedFile, CompareFiles, Difference, Differences
from . import records, staged
from .records import NamedFile, SameName


def compare(connection: Connection, asked: CompareFiles) -> Differences:
    """How each file differs from what is stored, in their order; a constant number of statements."""
    keys = [file.hash and layout.staging_key(asked.owner, asked.project, file.hash) for file in asked.files]
    known, wrong = staged.known(connection, [key for key in keys if key])
    sizes = {key: size for key, size in known.items() if key not in wrong}
    files = [
        NamedFile(file.kind, file.episode, file.name, key, file.size)
        for file, key in zip(asked.files, keys, strict=True)
    ]
    namesakes = records.same_names(connection, asked.owner, asked.project, files)

    def difference(file: ComparedFile, key: str | None, namesake: SameName | None) -> Difference:
        if key is None:
            if namesake is None:
                return Difference.NEW
            return Difference.SAME_SIZE if namesake.has_size else Difference.CHANGED
        if sizes.get(key) == file.size:
            return Difference.UNCHANGED if namesake and namesake.has_content else Difference.STORED
        return Difference.CHANGED if namesake else Difference.NEW

    found = [difference(*each) for each in zip(asked.files, keys, namesakes, strict=True)]
    same = (Difference.UNCHANGED, Difference.SAME_SIZE)
    failed = [n for n, one in enumerate(namesakes) if one and one.has_failed and found[n] in same]
    return Differences(files=found, failed=failed)
