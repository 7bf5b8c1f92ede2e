"""What `ls` and `tree` say of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..api.bss import Status
    from ..api.server import Asset, Node
    from ..client import DreamLake


def file_columns(asset: Asset, status: Status) -> list[str]:
    """Kind, duration, size and status of a file."""
    from ..api.metadata import SoundOnlyMetadata, model_of
    from .output import show_bytes, show_seconds, show_status

    found = asset.metadata or {}
    is_sound_only = model_of(asset.kind, found) is SoundOnlyMetadata
    return [
        f"{asset.kind} (sound only)" if is_sound_only else str(asset.kind),
        show_seconds(found.get("durationSec")),
        "" if asset.size is None else show_bytes(asset.size),
        show_status(status),
    ]


def live_states(lake: DreamLake, nodes: Sequence[Node]) -> dict[str, Status]:
    """The status of every file by its BSS id: BSS is asked for those that the index does not know to be final."""
    from ..client.bss import in_slices

    states = {node.asset.bss_id: node.asset.status for node in nodes if node.asset is not None}
    moving = [bss_id for bss_id, status in states.items() if not status.is_final]
    for some in in_slices(moving):
        states |= {record.id: record.status for record in lake.bss.query(some)}
    return states
