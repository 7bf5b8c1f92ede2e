"""Batches: what is queued, claimed by the sensor, worked on by a run, reported, finished.

A batch is open while it has work, and leased to whoever was offered it. An open batch whose lease ended is offered
again, as a new attempt, until enough runs have begun it. Batches are locked before their records, records in
the order of their ids; claims skip what another claim holds, so two sensors at once get disjoint work.
"""

from .claiming import claim
from .holding import begin, give_back, heartbeat, items
from .reporting import finish, report

__all__ = ["begin", "claim", "finish", "give_back", "heartbeat", "items", "report"]
