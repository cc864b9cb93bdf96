"""The first held-out evaluation of a run against its last, as tables and figures show them."""

from dataclasses import dataclass

from rl.evaluation.summary import EvaluationSummary, summarise
from rl.views.evaluations import Counts
from rl.views.run_view import RunView

RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Before and after, with their versions."""

    first: int
    """Optimizer steps behind the evaluation before; equal to ``last`` if there is only one."""
    last: int
    summary: EvaluationSummary


def results_of(run: RunView) -> Results | None:
    """First against last evaluation in the lineage of the newest weights; None without any. There is no
    before where the first one was of other problems or of other sampling."""
    by_version: dict[int, list[Counts]] = {}
    for counts in run.evaluations():
        by_version.setdefault(counts.version, []).append(counts)
    if not by_version:
        return None
    first, last = min(by_version), max(by_version)
    before, after = by_version[first], by_version[last]
    ks = [k for k in run.setting("evaluation.ks", [1]) if k <= _fewest(after)]
    compared = first < last and _comparable(before, after)
    summary = summarise(after, before=before if compared else None, ks=ks or [1], resamples=RESAMPLES, seed=0)
    return Results(first=first, last=last, summary=summary)


def _fewest(counts: list[Counts]) -> int:
    """Completions of every problem, judged or not, apart from greedy ones."""
    return min(
        (row["n"] + row.get("unjudged", 0) for c in counts if not c.greedy for row in c.rows), default=1
    )


def _comparable(before: list[Counts], after: list[Counts]) -> bool:
    earlier = {c.sampling.key: {row["id"] for row in c.rows} for c in before}
    return all(earlier.get(c.sampling.key) == {row["id"] for row in c.rows} for c in after)
