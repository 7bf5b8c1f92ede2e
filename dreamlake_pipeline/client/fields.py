"""The fields of whatever tells of one file: events (`--json` and the SDK), rows of `--report`, `ls --json`.

One name is one thing everywhere; docs/cli.md lists them, and a test holds it to this table.
"""

from __future__ import annotations

from typing import Annotated, TypedDict, get_type_hints


class FileFields(TypedDict):
    """What is told of a file, as JSON has it; the annotations say what each field is. Python names are `bss_id` etc."""

    path: Annotated[str | None, "where it lies on this machine; null where no local file is meant"]
    name: Annotated[str | None, "its path in the episode, or in the project when it has no episode"]
    episode: Annotated[str | None, "its episode; null: it belongs to the project itself"]
    kind: Annotated[str | None, "`video`, `audio`, `text-track` or `label-track`; null: of no known kind"]
    size: Annotated[int, "its bytes; 0 where that is not known"]
    status: Annotated[str, "how far it is, or what was done with it"]
    code: Annotated[str | None, "why it failed or was skipped: a code of errors.md"]
    reason: Annotated[str | None, "the same as a sentence"]
    bssId: Annotated[str | None, "the id of its record in the storage service (BSS); `show` takes it"]
    assetId: Annotated[str | None, "the id of its entry in the index (DreamLake Server); `show` takes it, too"]


MEANINGS: dict[str, str] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(FileFields, include_extras=True).items()
}

# Names that fields had before, which are still written beside those of today, and will go.
OLD_JSON_NAMES = {"id": "bssId"}
OLD_COLUMNS = {"id": "bssId", "asset_id": "assetId"}
