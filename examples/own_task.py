r"""A task of your own: double a number, in three disjoint splits.

Check it, then train on it::

    t2rl tasks check quickstart '~task' 'task={kind: own, code: examples/own_task.py:Doubling}'
    t2rl train quickstart '~task' 'task={kind: own, code: examples/own_task.py:Doubling}' 'task.args={highest:
    99}'
"""

from typing import Any

from rl.tasks.base import Split
from rl.tasks.encoding import prompt_ids
from rollout.types import Prompt


class Doubling:
    """``2*17=`` and the like; each number belongs to one split.

    Args:
        tokenizer: The policy's.
        max_prompt_tokens: Room for a prompt; these are short.
        highest: Largest number to double.
    """

    name = "doubling"
    reward_name = "exact"
    reward_args: dict[str, Any] = {}  # noqa: RUF012
    thinking_tags = ("<think>", "</think>")

    def __init__(self, tokenizer: Any, *, max_prompt_tokens: int, highest: int = 500) -> None:
        if highest < 10:
            raise ValueError(f"task.args.highest is {highest}; give at least 10, for three splits")
        self._tokenizer, self._highest = tokenizer, highest

    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        """Numbers by their last digit: 8 is dev, 9 is test, the others are train."""
        digits = {"train": range(8), "dev": (8,), "test": (9,)}[split]
        numbers = [n for n in range(self._highest + 1) if n % 10 in digits][:limit]
        texts = [f"2*{n}=" for n in numbers]
        encoded = prompt_ids(self._tokenizer, texts, from_template=False)
        return [
            Prompt(
                id=f"{split}/{n}",
                text=text,
                token_ids=ids,
                answer=str(2 * n),
                category=f"{len(str(n))} digits",
            )
            for n, text, ids in zip(numbers, texts, encoded, strict=True)
        ]
