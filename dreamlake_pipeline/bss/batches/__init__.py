"""Batches: what is queued, claimed by the sensor, worked on by a run, reported, finished.

A batch is open while it has work, and leased to whoever was offered it. An open batch whose lease ended, or whose
run is known to be over, is offered again as a new attempt; when the run died, in halves, down to the file that it dies
of. Batches are locked before their records, records in the order of their ids; claims skip what another claim holds,
so two sensors at once get disjoint work.
"""

from .claiming import claim, make_claimable
from .ending import leased, release
from .forming import fill
from .holding import begin, give_back, heartbeat, items
from .postponing import postpone
from .reporting import finish, report

__all__ = [
    "begin",
    "claim",
    "fill",
    "finish",
    "give_back",
    "heartbeat",
    "items",
    "leased",
    "make_claimable",
    "postpone",
    "release",
    "report",
]
