"""Held-out prompts that are in train, and train's own repeats: said, or refused, before anything starts."""

from collections.abc import Callable, Sequence
from typing import Any

from rl.config.task_mixture import part_of, parts_of
from rl.run.prepare.suites import PreparedSuite
from rl.tasks import Task
from rl.tasks.overlap import Pair, TrainIndex
from rollout.types import Prompt

SHOWN = 3
WIDTH = 60
"""Characters of a prompt that are shown."""


class OverlapCheck:
    """The train prompts of a run, indexed once, and what else is looked for in them.

    Args:
        section: The task section.
        task: Of the train prompts; says where they come from.
        train: The train prompts.
    """

    def __init__(self, section: Any, task: Task, train: Sequence[Prompt]) -> None:
        self._section, self._task, self._train = section, task, train
        self._index = TrainIndex([problem_text(task, prompt) for prompt in train])

    def held_out(self, prompts: Sequence[Prompt], *, refuse: bool) -> list[str]:
        """Notes on the run's own held-out prompts.

        Args:
            prompts: Of the same task.
            refuse: Exact overlap is an error, unless ``allow_overlap`` of the task, or of the held-out
                prompt's part of a mixture, is set.

        Raises:
            ValueError: A held-out prompt is in train, word for word.
        """
        section = self._section
        parts = parts_of(section).items()
        allowed = {name for name, part in parts if getattr(part, "allow_overlap", False)}
        everything = getattr(section, "allow_overlap", False)
        return self._notes(
            [problem_text(self._task, prompt) for prompt in prompts],
            [_origin(self._task, prompt) for prompt in prompts],
            what="held-out prompts",
            refused=lambda i: refuse and not everything and part_of(section, prompts[i].id) not in allowed,
            field="task",
        )

    def suite(self, suite: PreparedSuite, *, refuse: bool) -> list[str]:
        """Notes on a suite's problems, or its passages of text. Exact overlap is an error where ``refuse``
        says so, unless the suite's ``allow_overlap`` is set.

        Raises:
            ValueError: A problem is in train, word for word.
        """
        task, config = suite.task, suite.config
        if task is None:
            texts = [passage.text for passage in suite.passages]
            origins = [f"passage {passage.id}" for passage in suite.passages]
        else:
            texts = [problem_text(task, prompt) for prompt in suite.prompts]
            origins = [_origin(task, prompt) for prompt in suite.prompts]
        allowed = config.allow_overlap or getattr(config.task, "allow_overlap", False)
        field = f"evaluation.suites.{suite.name}"
        notes = self._notes(
            texts,
            origins,
            what="problems" if task is not None else "passages",
            refused=lambda _: refuse and not allowed,
            field=field,
        )
        return [f"{field}: {note}" for note in notes]

    def repeats(self) -> list[str]:
        """A note where train prompts are there twice."""
        found = self._index.repeats()
        if not found.exact and not found.near:
            return []
        origins = [_origin(self._task, prompt) for prompt in self._train]
        texts = [problem_text(self._task, prompt) for prompt in self._train]
        first = self._examples([*found.exact, *found.near], texts, origins)
        return [
            f"of {len(self._train)} train prompts {len(found.exact)} repeat an earlier one word for word, and"
            f" {len(found.near)} nearly, the first:{first}"
        ]

    def _notes(
        self,
        texts: Sequence[str],
        origins: Sequence[str],
        *,
        what: str,
        refused: Callable[[int], bool],
        field: str,
    ) -> list[str]:
        found = self._index.overlap(texts)
        notes = []
        if found.exact:
            said = (
                f"{len(found.exact)} of {len(texts)} {what} are in train, word for word, the first:"
                f"{self._examples(found.exact, texts, origins)}"
            )
            if any(refused(pair.index) for pair in found.exact):
                raise ValueError(
                    f"{field}: {said}\nHeld-out results would show what was learned by heart; take the"
                    f" {what.split()[-1]} out of one of the two, or set {field}.allow_overlap=true"
                )
            notes.append(said)
        if found.near:
            notes.append(
                f"{len(found.near)} of {len(texts)} {what} are nearly in train (the same but for numbers, or"
                f" at least half of their words), the first:{self._examples(found.near, texts, origins)}"
            )
        return notes

    def _examples(self, pairs: Sequence[Pair], texts: Sequence[str], origins: Sequence[str]) -> str:
        return "".join(
            f"\n  {origins[pair.index]} and {_origin(self._task, self._train[pair.train])}:"
            f" {_clipped(self._index.core(texts[pair.index]))}"
            for pair in pairs[:SHOWN]
        )


def problem_text(task: Task, prompt: Prompt) -> str:
    """A prompt as its row has it, so that templates and worked examples neither hide what is the same nor
    look alike; where a task knows no rows, its text."""
    bare = getattr(task, "problem_text", None)
    return prompt.text if bare is None else str(bare(prompt))


def _origin(task: Task, prompt: Prompt) -> str:
    origin = getattr(task, "origin", None)
    return prompt.id if origin is None else str(origin(prompt))


def _clipped(text: str) -> str:
    return repr(text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}...")
