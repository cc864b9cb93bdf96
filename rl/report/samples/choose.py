"""Which of a run's rollouts a page shows: whole groups spread over the steps, prompts that came again, and
the same held-out problems at several versions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rl.views.run_view import RunView

if TYPE_CHECKING:
    import pyarrow as pa

HELD_OUT_SHARE = 0.3
VERSIONS = 6
"""Evaluations shown, the first and the last among them."""
EACH = 2
"""Completions of a held-out problem at one version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Rows of one run."""

    training: "pa.Table"
    evaluations: "pa.Table"
    kept: int
    """Rollouts in the run's files, shown or not."""


def choose(run: RunView, most: int) -> Chosen:
    """At most about ``most`` rollouts of a run (groups stay whole). The same files give the same rows."""
    groups = run.rollouts(columns=["step", "group_id", "prompt_id"])
    held_out = run.rollouts(columns=["step", "prompt_id", "temperature"], evaluation=True)
    for_training = most if not held_out.num_rows else round(most * (1 - HELD_OUT_SHARE))
    training = _training(run, groups, for_training)
    evaluations = _evaluations(run, held_out, max(0, most - training.num_rows))
    return Chosen(training=training, evaluations=evaluations, kept=groups.num_rows + held_out.num_rows)


def _training(run: RunView, rows: "pa.Table", most: int) -> "pa.Table":
    import pyarrow.compute as pc

    if not rows.num_rows or most < 1:
        return run.rollouts(steps=range(0))
    ids, first, sizes = np.unique(rows["group_id"].to_numpy(), return_index=True, return_counts=True)
    steps, prompts = rows["step"].to_numpy()[first], np.array(rows["prompt_id"].to_pylist())[first]
    order = np.lexsort((ids, steps))
    wanted = max(1, int(most / sizes.mean()))
    places = _again(prompts[order], wanted // 2)
    places |= set(_spread(len(order), wanted - len(places)))
    chosen = ids[order][sorted(places)]
    return run.rollouts(
        where=pc.field("group_id").isin(chosen.tolist()),
        steps=range(int(steps.min()), int(steps.max()) + 1),
    )


def _again(prompts: np.ndarray, most: int) -> set[int]:
    """Places of prompts that were drawn more than once: of each the first and the last."""
    names, first, counts = np.unique(prompts, return_index=True, return_counts=True)
    last = {name: place for place, name in enumerate(prompts)}
    repeated = [i for i in np.argsort(-counts, kind="stable") if counts[i] > 1][: most // 2]
    return {int(place) for i in repeated for place in (first[i], last[names[i]])}


def _spread(count: int, most: int) -> list[int]:
    """Places at equal distances."""
    return np.unique(np.linspace(0, count - 1, min(count, max(most, 1))).round().astype(int)).tolist()


def _evaluations(run: RunView, rows: "pa.Table", most: int) -> "pa.Table":
    import pyarrow.compute as pc

    if not rows.num_rows or most < 1:
        return run.rollouts(steps=range(0), evaluation=True)
    main = run.setting("evaluation.temperature", 1.0)
    temperatures = {t for t in rows["temperature"].to_pylist() if t is not None}
    versions = np.unique(rows["step"].to_numpy())
    versions = versions[_spread(len(versions), VERSIONS)].tolist()
    problems = sorted({name for name in rows["prompt_id"].to_pylist() if name is not None})
    problems = [problems[i] for i in _spread(len(problems), most // (EACH * len(versions)))]
    where = pc.field("prompt_id").isin(problems) & pc.field("step").isin(versions)
    if main in temperatures:
        where &= pc.field("temperature") == main
    return run.rollouts(where=where & (pc.field("index") < EACH), evaluation=True)
