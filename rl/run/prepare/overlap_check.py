"""Held-out prompts that are in train, and train's own repeats: said, or refused, before anything starts."""

from collections.abc import Sequence
from typing import Any

from rl.config.task_mixture import part_of, parts_of
from rl.tasks import Task
from rl.tasks.overlap import Pair, TrainIndex
from rollout.types import Prompt

SHOWN = 3
WIDTH = 60
"""Characters of a prompt that are shown."""


def check_overlap(
    section: Any, task: Task, train: Sequence[Prompt], held_out: Sequence[Prompt], *, refuse: bool
) -> list[str]:
    """Notes of what was found.

    Args:
        section: The task section.
        task: Of these prompts; says where they come from.
        train: The train prompts.
        held_out: Those of an evaluation.
        refuse: Exact overlap is an error, unless ``allow_overlap`` of the task, or of the held-out prompt's
            part of a mixture, is set.

    Raises:
        ValueError: A held-out prompt is in train, word for word.
    """
    index = TrainIndex([text_alone(task, prompt) for prompt in train])
    found = index.overlap([text_alone(task, prompt) for prompt in held_out])
    notes = []
    if found.exact:
        said = (
            f"{len(found.exact)} of {len(held_out)} held-out prompts are in train, word for word,"
            f" the first:{_examples(found.exact, index, task, held_out, train)}"
        )
        allowed = {name for name, part in parts_of(section).items() if getattr(part, "allow_overlap", False)}
        refused = [p for p in found.exact if part_of(section, held_out[p.index].id) not in allowed]
        if refuse and refused and not getattr(section, "allow_overlap", False):
            raise ValueError(
                f"task: {said}\nHeld-out results would show what was learned by heart; take the prompts"
                " out of one of the two, or set task.allow_overlap=true"
            )
        notes.append(said)
    if found.near:
        notes.append(
            f"{len(found.near)} of {len(held_out)} held-out prompts are nearly in train (the same but for"
            f" numbers, or at least half of their words), the first:"
            f"{_examples(found.near, index, task, held_out, train)}"
        )
    return [*notes, *_repeats_note(index, task, train)]


def text_alone(task: Task, prompt: Prompt) -> str:
    """A prompt's text without worked examples in front, which prompts share on purpose."""
    alone = getattr(task, "text_alone", None)
    return prompt.text if alone is None else str(alone(prompt))


def _repeats_note(index: TrainIndex, task: Task, train: Sequence[Prompt]) -> list[str]:
    """A note where train prompts are there twice."""
    found = index.repeats()
    if not found.exact and not found.near:
        return []
    first = _examples([*found.exact, *found.near], index, task, train, train)
    return [
        f"of {len(train)} train prompts {len(found.exact)} repeat an earlier one word for word, and"
        f" {len(found.near)} nearly, the first:{first}"
    ]


def _examples(
    pairs: Sequence[Pair], index: TrainIndex, task: Task, these: Sequence[Prompt], train: Sequence[Prompt]
) -> str:
    origin = getattr(task, "origin", lambda one: one.id)
    shown = [(these[pair.index], train[pair.train]) for pair in pairs[:SHOWN]]
    return "".join(
        f"\n  {origin(a)} and {origin(b)}: {_clipped(index.core(text_alone(task, a)))}" for a, b in shown
    )


def _clipped(text: str) -> str:
    return repr(text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}...")
