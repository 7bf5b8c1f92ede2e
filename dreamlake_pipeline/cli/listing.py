"""What `ls` and `tree` say of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..api.bss import Status, Waiting
    from ..api.server import Asset, Node
    from ..client import DreamLake


class State(NamedTuple):
    """How far a file is, and what it waits for if a fault of the machinery put it off."""

    status: Status
    waiting: Waiting | None = None


def file_columns(asset: Asset, state: State) -> list[str]:
    """Kind, duration, size and status of a file; a status that waits says for what."""
    from ..api.metadata import SoundOnlyMetadata, model_of
    from .output import show_bytes, show_seconds, show_status
    from .waits import waited_for

    found = asset.metadata or {}
    is_sound_only = model_of(asset.kind, found) is SoundOnlyMetadata
    waits = f", waiting for {waited_for(state.waiting.code)}" if state.waiting else ""
    return [
        f"{asset.kind} (sound only)" if is_sound_only else str(asset.kind),
        show_seconds(found.get("durationSec")),
        "" if asset.size is None else show_bytes(asset.size),
        show_status(state.status) + waits,
    ]


def live_states(lake: DreamLake, nodes: Sequence[Node]) -> dict[str, State]:
    """The state of every file by its BSS id: BSS is asked for those that the index does not know to be final."""
    from ..client.bss import in_slices

    states = {node.asset.bss_id: State(node.asset.status) for node in nodes if node.asset is not None}
    moving = [bss_id for bss_id, state in states.items() if not state.status.is_final]
    for some in in_slices(moving):
        for record in lake.bss.query(some):
            states[record.id] = State(record.status, None if record.status.is_final else record.waiting)
    return states


def with_waiting(returned: dict[str, Any], asset: Asset, states: dict[str, State]) -> dict[str, Any]:
    """What a service returned of a file; one that waits also says for what, as its record in BSS does."""
    waiting = states[asset.bss_id].waiting
    return returned | ({"waiting": waiting.wire()} if waiting else {})
