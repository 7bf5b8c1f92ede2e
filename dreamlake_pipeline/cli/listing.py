"""What `ls`, `tree` and `failed` say of a file."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..api.bss import Status, Waiting
    from ..api.common import ErrorBody
    from ..api.server import Asset
    from ..client import DreamLake
    from ..client.stock import Indexed
    from ..remote.bss import Place

_LEAST_REASON = 24  # columns of a terminal; in fewer, the code of a reason says more than its beginning


class State(NamedTuple):
    """How far a file is, why it failed, and what it waits for if a fault of the machinery put it off."""

    status: Status
    error: ErrorBody | None = None
    waiting: Waiting | None = None


def live_states(lake: DreamLake, assets: Iterable[Asset]) -> dict[str, State]:
    """The state of every file by its BSS id: BSS is asked for those that the index does not know to be final, or does
    not know why they failed."""
    from ..api.bss import Status
    from ..api.common import ErrorBody
    from ..remote.bss import in_slices

    states: dict[str, State] = {}
    unknown: list[str] = []
    for asset in assets:
        told = (asset.metadata or {}).get("error") if asset.status is Status.FAILED else None
        states[asset.bss_id] = State(asset.status, told and ErrorBody.model_validate(told))
        if not asset.status.is_final or (asset.status is Status.FAILED and not told):
            unknown.append(asset.bss_id)
    for some in in_slices(unknown):
        for record in lake.bss.query(some):
            states[record.id] = State(record.status, record.error, None if record.status.is_final else record.waiting)
    return states


def file_cells(asset: Asset, state: State, *, long: bool = False) -> list[str]:
    """Kind, duration, size and status of a file; one that waits says for what. With `long`, also when it was last
    changed in the index, and its id."""
    from ..api.metadata import SoundOnlyMetadata, model_of
    from .output import show_bytes, show_seconds, show_status
    from .waits import waited_for

    found = asset.metadata or {}
    is_sound_only = model_of(asset.kind, found) is SoundOnlyMetadata
    waits = f", waiting for {waited_for(state.waiting.code)}" if state.waiting else ""
    cells = [
        f"{asset.kind} (sound only)" if is_sound_only else str(asset.kind),
        show_seconds(found.get("durationSec")),
        "" if asset.size is None else show_bytes(asset.size),
        show_status(state.status) + waits,
    ]
    return [*cells, f"{asset.updated_at:%Y-%m-%d %H:%M}", asset.bss_id] if long else cells


def file_json(asset: Asset, state: State) -> dict[str, Any]:
    """What the index returned of a file, with its present status and the fields that all events of files have."""
    from ..client.fields import FileFields
    from .output import as_returned

    fields: FileFields = {
        "path": None,
        "name": asset.name,
        "episode": asset.episode,
        "kind": str(asset.kind),
        "size": asset.size or 0,
        "status": str(state.status),
        "code": state.error.code if state.error else None,
        "reason": state.error.message if state.error else None,
        "bssId": asset.bss_id,
        "assetId": asset.id,
    }
    return as_returned(asset) | fields | ({"waiting": state.waiting.wire()} if state.waiting else {})


class Line(NamedTuple):
    """A line of a list: what it shows, why the file failed, if it did, and how the file can be named."""

    cells: Sequence[str]
    error: ErrorBody | None = None
    place: Place | None = None


class Table:
    """Lines of a list with their columns aligned, and each reason behind its line.

    On a terminal, names and reasons are cut as far as it has no room for them, unless they are to be shown `whole`; at
    the end, `tell_cut` says so once.
    """

    def __init__(self, *, whole: bool = False) -> None:
        from .output import terminal_width

        self._whole = whole
        self._room = terminal_width()
        self._has_cut_names = False
        self._cut_reason_of: Line | None = None

    def show(self, lines: Sequence[Line]) -> None:
        """Print the lines of one list."""
        from .output import align, say, width

        most = max((len(line.cells) for line in lines), default=0)
        rows = [[*line.cells, *[""] * (most - len(line.cells))] for line in lines]
        aligned = align(rows, room=self._room_of_names(lines), is_cut=not self._whole)
        for line, text in zip(lines, aligned, strict=True):
            self._has_cut_names |= text.count("…") > sum(cell.count("…") for cell in line.cells)
            say(text if line.error is None else f"{text}  {self._reason(line, line.error, width(text) + 2)}")

    def _room_of_names(self, lines: Sequence[Line]) -> int | None:
        """The columns for all but reasons, whose codes have room at the least."""
        codes = [len(line.error.code) + 2 for line in lines if line.error is not None and not self._whole]
        return None if self._room is None else self._room - max(codes, default=0)

    def _reason(self, line: Line, error: ErrorBody, column: int) -> str:
        """Why a file failed, from this column on."""
        from .output import style

        reason = " ".join(error.message.split())
        left = len(reason) if self._room is None or self._whole else self._room - column
        if len(reason) > left:
            self._cut_reason_of = self._cut_reason_of or line
            reason = f"{reason[: left - 1]}…" if left >= _LEAST_REASON else error.code
        return style(reason, fg="red")

    def tell_cut(self, namespace: str) -> None:
        """Say what was cut, and what has it whole."""
        from .output import note

        if self._has_cut_names:
            note("Names are cut: --long has them whole, as do --json and a pipe.")
        if self._cut_reason_of is not None:
            place = self._cut_reason_of.place
            shows = f" and `dreamlake show {shlex.quote(spell(place, namespace))}` have" if place else " has"
            note(f"Reasons are cut: --long{shows} them whole.")


def spell(place: Place, namespace: str) -> str:
    """A place as it can be named again; without its namespace where that is the one that is meant anyway."""
    from ..client.place import describe

    return describe(place).replace(f"@{place.owner}", "", 1) if place.owner == namespace else describe(place)


def named_places(
    lake: DreamLake, words: Sequence[str], episode: str | None, stock: Indexed | None = None
) -> list[Place]:
    """The places that words name; an id names the file's. Raises USAGE, INVALID_NAME, NOT_FOUND."""
    from ..client.lookup import find_places, record_of
    from ..remote.bss import Place

    named = find_places(lake, words, episode, stock=stock)
    records = [record_of(lake, one) for one in named.ids]
    return [
        *named.places,
        *(Place(record.owner, record.project, record.episode or "", record.name) for record in records),
    ]


def place_of(asset: Asset) -> Place:
    from ..remote.bss import Place

    return Place(asset.namespace, asset.project, asset.episode or "", asset.name)
