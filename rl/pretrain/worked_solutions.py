"""The tiny reasoning-gym task's own demonstrations: clean worked solutions, by the writers of the tiny bases'
corpus."""

import random
from collections.abc import Sequence
from dataclasses import replace

from rl.config.task_mixture import part_of, parts_of
from rl.config.tree import TaskConfig
from rl.pretrain.solutions import WRITERS, Mistakes
from rollout.types import Prompt


def worked_solution(prompt: Prompt) -> str:
    """How a compact problem is solved without a mistake, e.g. ``36%24:12,24%12:0#12``."""
    steps, answer = WRITERS[prompt.metadata["dataset"]](
        prompt.metadata["entry"]["metadata"], Mistakes(random.Random(0), 0.0)
    )
    return f"{','.join(steps)}#{answer}"


def with_worked_solutions(prompts: Sequence[Prompt], task: TaskConfig, field: str) -> list[Prompt]:
    """The prompts with ``metadata[field]`` where there is a writer for them; of other tasks, and other parts
    of a mixture, the prompts as they are."""
    compact = {
        name
        for name, part in parts_of(task).items()
        if part.kind == "reasoning_gym" and part.style == "compact" and part.extraction == "hash"
    }
    return [
        (
            replace(p, metadata={**p.metadata, field: worked_solution(p)})
            if part_of(task, p.id) in compact and p.metadata["dataset"] in WRITERS
            else p
        )
        for p in prompts
    ]
