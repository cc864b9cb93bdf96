"""Several tasks as one: ids, categories and rewards of each part are told apart by the part's name."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rl.config.task import FileTaskConfig
from rl.config.task_mixture import SEPARATOR, MixtureTaskConfig, in_part
from rl.config.thinking_tags import thinking_tags_of
from rl.tasks.base import Split, Task, Tokenizer
from rollout.types import Prompt

DEFAULT = "default"
"""Category of a prompt whose part gives none."""


class MixtureTask:
    """Prompts of several tasks. See ``MixtureTaskConfig`` for the knobs.

    Args:
        config: The validated section.
        tokenizer: A transformers tokenizer of the policy.
        parts: Name -> task, one for each part of the section.

    Raises:
        ValueError: A part thinks between other tags than the mixture.
    """

    reward_name = "mixture"

    def __init__(self, config: MixtureTaskConfig, tokenizer: Tokenizer, parts: Mapping[str, Task]) -> None:
        self.name = config.name
        self.thinking_tags = thinking_tags_of(config, tokenizer)
        self.parts = dict(parts)
        for name, part in self.parts.items():
            if tuple(part.thinking_tags) != tuple(self.thinking_tags):
                raise ValueError(
                    f"task.parts.{name}: thinks between {list(part.thinking_tags)}, the mixture between"
                    f" {list(self.thinking_tags)}; set task.thinking_tags"
                )
        self.reward_args: dict[str, Any] = {
            "parts": {
                name: {"reward": part.reward_name, "args": dict(part.reward_args)}
                for name, part in self.parts.items()
            }
        }
        self._config = config

    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        """The first ``limit`` prompts of a split, parts taking turns: train prompts by ``task.weights``
        (prompts of a part that ran out are left to the others), held-out prompts evenly.

        A part of files without a file for a held-out split has no prompts there.

        Raises:
            ValueError: A part's data is wrong, or no part has prompts of the split.
        """
        taken = {name: self._load(name, split, limit) for name in self.parts if self._has(name, split)}
        if not taken:
            raise ValueError(f"task.parts: none has {split} data; set task.parts.NAME.{split}=FILE")
        weights = self._config.weights if split == "train" else {}
        return interleaved(taken, weights)[:limit]

    def origin(self, prompt: Prompt) -> str:
        """File and line of a prompt of this task, or its part and id."""
        name, _, inner = prompt.id.partition(SEPARATOR)
        origin = getattr(self.parts[name], "origin", None)
        return f"prompt {prompt.id}" if origin is None else str(origin(replace(prompt, id=inner)))

    def problem_text(self, prompt: Prompt) -> str:
        """A prompt of this task as its part's row has it, or its text."""
        name, _, inner = prompt.id.partition(SEPARATOR)
        bare = getattr(self.parts[name], "problem_text", None)
        return prompt.text if bare is None else str(bare(replace(prompt, id=inner)))

    @property
    def notes(self) -> list[str]:
        """Those of the parts."""
        return [
            in_part(name, note) for name, part in self.parts.items() for note in getattr(part, "notes", ())
        ]

    def _has(self, name: str, split: Split) -> bool:
        section = self._config.parts[name]
        return not isinstance(section, FileTaskConfig) or bool(section.path or getattr(section, split))

    def _load(self, name: str, split: Split, limit: int | None) -> list[Prompt]:
        try:
            prompts = self.parts[name].load(split, limit)
        except ValueError as error:
            raise ValueError(in_part(name, str(error))) from error
        return [
            replace(p, id=f"{name}{SEPARATOR}{p.id}", category=category_in(name, p.category)) for p in prompts
        ]


def category_in(part: str, category: str) -> str:
    """``P`` or ``P/C``; ``rewards.mixture`` takes it apart again."""
    return part if category == DEFAULT else f"{part}{SEPARATOR}{category}"


def interleaved(parts: Mapping[str, list[Prompt]], weights: Mapping[str, float]) -> list[Prompt]:
    """All prompts, each part's in its order: the k-th of a part of weight w comes at time (k + 1/2) / w, and
    parts in the order of the config at equal times.

    Example: weights 2 and 1 give a b a, a b a, ... until one runs out.
    """
    clock = [
        ((k + 0.5) / weights.get(name, 1.0), place, k)
        for place, (name, prompts) in enumerate(parts.items())
        for k in range(len(prompts))
    ]
    lists = list(parts.values())
    return [lists[place][k] for _, place, k in sorted(clock)]
