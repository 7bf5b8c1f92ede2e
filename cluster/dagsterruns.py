"""What Dagster's own API says of runs, as its pages ask it: nothing is read past it."""

from __future__ import annotations

from dataclasses import dataclass

from dreamlake_pipeline.assets.partitions import ATTEMPT_TAG, PARTITION_TAG
from dreamlake_pipeline.stack import dagster_home
from dreamlake_pipeline.stack.state import Stack

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Run:
    """A run of one attempt at a batch. Times in seconds since the epoch; None of what has not come yet."""

    run_id: str
    status: str
    partition: str
    attempt: int
    started: float | None
    ended: float | None


def runs(stack: Stack) -> list[Run]:
    """The latest runs over batches. Raises httpx.TransportError."""
    told = dagster_home.query(stack, _RUNS, limit=_MOST)["runsOrError"]["results"]
    found = []
    for run in told:
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        if PARTITION_TAG in tags:
            found.append(
                Run(
                    run["runId"],
                    run["status"],
                    tags[PARTITION_TAG],
                    int(tags.get(ATTEMPT_TAG, "1")),
                    run["startTime"],
                    run["endTime"],
                )
            )
    return found


def terminate(stack: Stack, run_id: str) -> str:
    """Have a run ended, as the button of its page does; what Dagster makes of that."""
    return str(dagster_home.query(stack, _TERMINATE, id=run_id)["terminateRun"]["__typename"])


@dataclass(frozen=True, slots=True)
class Printed:
    """What the page of a run shows of what its process printed, and for how many seconds it is known to have worked
    since that was kept: None for one that did not come so far."""

    text: str
    seconds: float | None


def printed(stack: Stack, run_id: str) -> Printed:
    """Raises httpx.TransportError."""
    events = dagster_home.query(stack, _EVENTS, id=run_id)["logsForRun"].get("events", [])
    captured = [event for event in events if event["__typename"] == "LogsCapturedEvent"]
    if not captured:
        return Printed("", None)
    text = ""
    for event in captured:
        shown = dagster_home.query(stack, _LOGS, key=[run_id, "compute_logs", event["fileKey"]])["capturedLogs"]
        text += (shown["stdout"] or "") + (shown["stderr"] or "")
    # What others say of a run that does not speak any more comes later.
    own = [event for event in events if event["__typename"] not in _BY_OTHERS]
    return Printed(text, (float(own[-1]["timestamp"]) - float(captured[0]["timestamp"])) / 1000)


_BY_OTHERS = {"RunFailureEvent", "RunCancelingEvent", "RunCanceledEvent", "EngineEvent"}
_RUNS = """
query Runs($limit: Int!) { runsOrError(limit: $limit) { ... on Runs { results {
    runId status startTime endTime tags { key value }
} } } }
"""
_TERMINATE = """
mutation Terminate($id: String!) { terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) { __typename } }
"""
_EVENTS = """
query Events($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
    __typename ... on MessageEvent { timestamp } ... on LogsCapturedEvent { fileKey }
} } } }
"""
_LOGS = """
query Logs($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }
"""
