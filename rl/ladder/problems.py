"""The held-out problems of a ladder: the same for every checkpoint, tokenised by each checkpoint's own
tokenizer."""

from collections import Counter
from typing import Any

from rewards import build_reward
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.ladder.ladder import LadderEvaluation
from rl.tasks.reasoning_gym import ReasoningGymTask
from rollout.types import Prompt, Reward

MAX_PROMPT_TOKENS = 2_048


def ladder_problems(evaluation: LadderEvaluation, tokenizer: Any) -> tuple[list[Prompt], Reward]:
    """(test problems, ``problems_per_cell`` of each (category, level) or as many as there are; the
    verifier)."""
    config = ReasoningGymTaskConfig.model_validate({"levels": evaluation.levels, **evaluation.task})
    task = ReasoningGymTask(config, tokenizer, max_prompt_tokens=MAX_PROMPT_TOKENS)
    cells = len(config.categories) * len(config.levels)
    taken: list[Prompt] = []
    count: Counter[tuple[str, int]] = Counter()
    # Round-robin: cells that run out leave their turns to others, which the cap takes back.
    for prompt in task.load("test", evaluation.problems_per_cell * cells):
        cell = prompt.category, prompt.difficulty
        if count[cell] < evaluation.problems_per_cell:
            count[cell] += 1
            taken.append(prompt)
    return taken, build_reward(task.reward_name, task.reward_args)
