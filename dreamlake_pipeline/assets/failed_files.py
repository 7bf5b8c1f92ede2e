"""What failed over all batches, in one place: an asset of batches shows its latest batch, whatever failed before."""

from typing import TYPE_CHECKING, Any

from dagster import (
    AssetCheckEvaluation,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    MaterializeResult,
    MetadataValue,
    asset,
)

from ..resources import BssResource
from ..settings import Settings
from . import checks, display, outcome
from .run import OWNERS, plain_failure

if TYPE_CHECKING:
    from ..api.failures import Failures

KEY = AssetKey("failed_files")

_WHAT_TO_DO = """\
- `dreamlake show ID` says all that is known of a file, whatever became of its run.
- `dreamlake retry PROJECT` tries all of a project again that failed, `dreamlake retry ID` one file.
- The job `redo_batch` does a whole batch again."""


@asset(
    key=KEY,
    group_name="overview",
    owners=OWNERS,
    config_schema={},
    kinds={"postgres"},
    check_specs=checks.specs("failed_files", checks.NOTHING_FAILED),
    description=(
        "The files that are failed, of every batch and project, the latest first, with the reason and what to do. A "
        "sensor writes it anew when something changes; to materialize it asks at once. A file that is asked for again "
        "leaves it."
    ),
)
def failed_files(context: AssetExecutionContext, bss: BssResource) -> MaterializeResult:
    with plain_failure():
        failures = bss.pipeline.failures()
    return MaterializeResult(metadata=_shown(failures), check_results=[checks.nothing_failed(failures)])


def events_of(failures: "Failures") -> list[AssetMaterialization | AssetCheckEvaluation]:
    """The same as a run of the asset says, without a run."""
    check = checks.nothing_failed(failures)
    return [
        AssetMaterialization(KEY, description=check.description, metadata=_shown(failures)),
        AssetCheckEvaluation(
            KEY,
            checks.NOTHING_FAILED,
            passed=check.passed,
            metadata=check.metadata,
            severity=check.severity,
            description=check.description,
        ),
    ]


def _shown(failures: "Failures") -> dict[str, Any]:
    left_out = failures.count - len(failures.items)
    return {
        "failed": failures.count,
        "reasons": MetadataValue.md(
            "\n".join(f"- {code}: {count}" for code, count in failures.by_code.items()) or "none"
        ),
        **display.pages(failures.items, Settings().viewer_url),
        "files": display.failure_table(failures.items),
        **({"not in the table": f"{left_out} more, which failed before these"} if left_out else {}),
        "runs": MetadataValue.md(f"[the runs in whose batches files failed]({outcome.runs_with_failures()})"),
        "what to do": MetadataValue.md(_WHAT_TO_DO),
    }
