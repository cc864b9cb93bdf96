"""The contract of a task, as checks that run on outside code too: ``t2rl tasks check``."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from rl.tasks.base import Split, Task
from rollout.contract import ContractBroken, Finding, require, run_checks
from rollout.types import Prompt

SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, kw_only=True)
class AskedTask:
    """A task with the prompts that it gave."""

    make: Callable[[], Task]
    limit: int
    """Prompts that are looked at in each split."""
    max_prompt_tokens: int
    check_reward: Callable[[Task, Sequence[Prompt]], None]
    """Raises ValueError if the task's reward cannot be built or cannot judge the prompts."""
    loaded: dict[Split, list[Prompt]] = field(default_factory=dict)

    def prompts(self, split: Split) -> list[Prompt]:
        """The split's first prompts, loaded once."""
        if split not in self.loaded:
            self.loaded[split] = list(self.make().load(split, self.limit))
        return self.loaded[split]


def well_formed(asked: AskedTask) -> None:
    """Prompts of train and of dev: text, tokens that fit, ids that are told apart, metadata that a file can
    hold."""
    for split in SPLITS:
        prompts = asked.prompts(split)
        require(
            bool(prompts) or split == "test", f"{split} is empty: a run trains on train and evaluates on dev"
        )
        ids = [prompt.id for prompt in prompts]
        repeated = next((one for one in ids if ids.count(one) > 1), None)
        require(repeated is None, f"{split}: two prompts have the id {repeated!r}")
        for prompt in prompts:
            _well_formed(prompt, asked.max_prompt_tokens)


def _well_formed(prompt: Prompt, room: int) -> None:
    require(isinstance(prompt, Prompt), f"load gives {type(prompt).__name__}; give rollout.types.Prompt")
    require(bool(prompt.text.strip()), f"{prompt.id}: the text is empty")
    tokens = prompt.token_ids
    integers = all(isinstance(token, int) and token >= 0 for token in tokens)
    require(
        isinstance(tokens, tuple) and bool(tokens) and integers,
        f"{prompt.id}: token_ids must be a tuple of token numbers, and not empty"
        " (rl.tasks.encoding.prompt_ids)",
    )
    require(
        len(tokens) <= room, f"{prompt.id}: {len(tokens)} tokens do not fit into max_prompt_tokens={room}"
    )
    require(
        isinstance(prompt.answer, str), f"{prompt.id}: the answer is {type(prompt.answer).__name__}, not text"
    )
    require(isinstance(prompt.category, str) and bool(prompt.category), f"{prompt.id}: the category is empty")
    try:
        json.dumps(dict(prompt.metadata))
    except TypeError as error:
        raise ContractBroken(f"{prompt.id}: the metadata is not JSON ({error})") from error


def disjoint(asked: AskedTask) -> None:
    """No prompt is in two splits, neither by its id nor by its text."""
    for name, key in (("id", lambda prompt: prompt.id), ("text", lambda prompt: prompt.text)):
        seen: dict[str, Split] = {}
        for split in SPLITS:
            for prompt in asked.prompts(split):
                other = seen.setdefault(key(prompt), split)
                require(other == split, f"{other} and {split} share a {name}: {key(prompt)!r}")


def deterministic(asked: AskedTask) -> None:
    """Built and loaded again, it gives the same prompts in the same order, in whatever order splits are
    asked."""
    for split in reversed(SPLITS):
        again = list(asked.make().load(split, asked.limit))
        require(
            again == asked.prompts(split),
            f"{split} differs when it is loaded again: fix the seed, and do not read clocks or unordered"
            " sets",
        )


def prefixes(asked: AskedTask) -> None:
    """A shorter list is the start of a longer one, and none is longer than asked."""
    for split in SPLITS:
        whole = asked.prompts(split)
        require(len(whole) <= asked.limit, f"{split}: asked for {asked.limit}, it gives {len(whole)}")
        few = max(1, len(whole) // 2)
        short = list(asked.make().load(split, few))
        require(short == whole[:few], f"{split}: {few} prompts are not the first {few} of {len(whole)}")


def judged(asked: AskedTask) -> None:
    """Its reward can be built, and can judge its prompts."""
    for split in SPLITS:
        try:
            asked.check_reward(asked.make(), asked.prompts(split))
        except ValueError as error:
            raise ContractBroken(f"{split}: {error}") from error


CHECKS: Mapping[str, Callable[[AskedTask], None]] = {
    "prompts are well formed": well_formed,
    "splits are disjoint": disjoint,
    "same prompts every time": deterministic,
    "a short list begins the long one": prefixes,
    "its reward takes its prompts": judged,
}
"""Name -> check, in the order to run them."""


def check_task(
    make: Callable[[], Task],
    *,
    limit: int,
    max_prompt_tokens: int,
    check_reward: Callable[[Task, Sequence[Prompt]], None],
) -> list[Finding]:
    """Run every check on fresh tasks.

    Args:
        make: gives a fresh task each time it is called.
        limit: prompts of each split that are looked at.
        max_prompt_tokens: what the task was built with.
        check_reward: raises ValueError if the task's reward cannot judge the prompts.
    """
    asked = AskedTask(make=make, limit=limit, max_prompt_tokens=max_prompt_tokens, check_reward=check_reward)
    return run_checks(CHECKS, asked)
