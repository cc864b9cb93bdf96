"""Which rollouts of a run are asked for, and in which order."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rl.commands.samples.bounds import Bounds
from rl.config.errors import listed, suggest
from rl.views.run_view import RunView

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Filters, all of which must hold, and an order. None asks for nothing."""

    step: Bounds | None = None
    """With ``evaluation`` the policy version."""
    category: str | None = None
    reward: Bounds | None = None
    length: Bounds | None = None
    reason: str | None = None
    """A part of the verdict's reason, in either case; '' for those that gave none."""
    correct: bool | None = None
    kept: bool | None = None
    """By the curriculum's filter of the group."""
    prompt: str | None = None
    """A prompt id."""
    grep: str | None = None
    """A part of prompt or completion, in either case."""
    evaluation: bool = False
    best_first: bool = False
    worst_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Rollouts that were found."""

    table: "pa.Table"
    """The rollouts that match, in order."""
    kept: int
    """Rollouts that the run's files hold."""


def choose(run: RunView, asked: Asked) -> Chosen:
    """The rollouts of a run that are asked for, by step and group unless another order is.

    Raises:
        ValueError: the run kept none, or has no such category or prompt.
    """
    files = run.rollout_files(evaluation=asked.evaluation)
    if not files:
        raise ValueError(_none_kept(run, asked))
    known = run.rollouts(columns=["category", "prompt_id"], evaluation=asked.evaluation)
    for column, option, given in (
        ("category", "--category", asked.category),
        ("prompt_id", "--prompt", asked.prompt),
    ):
        names = set(known[column].unique().to_pylist())
        if given is not None and given not in names:
            few = f" There are: {listed(names)}" if len(names) <= 30 else ""
            raise ValueError(f"{option} {given}: no rollout is of it.{suggest(given, names)}{few}")
    steps = asked.step.steps() if asked.step is not None else None
    table = run.rollouts(steps=steps, where=_where(asked), evaluation=asked.evaluation)
    return Chosen(table=_ordered(table, asked), kept=known.num_rows)


def _none_kept(run: RunView, asked: Asked) -> str:
    if asked.evaluation:
        return f"{run.path} has no texts of evaluations yet (or records.rollouts=none, or T2RL before 0.3.0)"
    if run.setting("records.rollouts") == "none":
        return f"{run.path} keeps no rollouts: records.rollouts is none. Train with records.rollouts=all"
    if run.setting("stage") is not None:
        return f"{run.path} is a run of t2rl {run.setting('stage')}: it samples nothing in training"
    if run.setting("records") is None:
        return f"{run.path} was made by T2RL before 0.3.0, which kept no texts"
    return f"{run.path} has no rollouts yet: the first step is not over"


def _where(asked: Asked) -> "pc.Expression | None":
    import pyarrow.compute as pc

    parts = [
        bounds.filter(name) for name, bounds in (("reward", asked.reward), ("length", asked.length)) if bounds
    ]
    if asked.reward is not None or asked.correct is not None or asked.best_first or asked.worst_first:
        # Without a verdict, reward and correctness mean nothing.
        parts.append(pc.field("judged"))
    for name, given in (("correct", asked.correct), ("kept", asked.kept)):
        if given is not None:
            parts.append(pc.field(name) if given else ~pc.field(name))
    for name, text in (("category", asked.category), ("prompt_id", asked.prompt)):
        if text is not None:
            parts.append(pc.field(name) == text)
    if asked.reason is not None:
        parts.append(_holds("reason", asked.reason) if asked.reason else pc.field("reason") == "")
    if asked.grep is not None:
        parts.append(_holds("prompt", asked.grep) | _holds("completion", asked.grep))
    if not parts:
        return None
    where = parts[0]
    for part in parts[1:]:
        where = where & part
    return where


def _holds(column: str, text: str) -> "pc.Expression":
    import pyarrow.compute as pc

    return pc.match_substring(pc.field(column), text, ignore_case=True)


def _ordered(table: "pa.Table", asked: Asked) -> "pa.Table":
    if not (asked.best_first or asked.worst_first):
        return table
    order = "descending" if asked.best_first else "ascending"
    return table.sort_by(
        [("reward", order), ("step", "descending"), ("group_id", "ascending"), ("index", "ascending")]
    )
