"""Reasoning-gym generators as a task: deterministic by (seed, index), stratified, with disjoint splits."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.config.thinking_tags import thinking_tags_of
from rl.tasks.chats import render_chat
from rl.tasks.encoding import prompt_ids
from rl.tasks.rg_cells import CATEGORIES, Split, generator_args, iter_entries, iter_unique
from rollout.types import Prompt

Cell = tuple[str, int]


class ReasoningGymTask:
    """Prompts from reasoning-gym. See ``ReasoningGymTaskConfig`` for the knobs.

    Args:
        config: the validated section.
        tokenizer: a transformers tokenizer; its chat template is applied to ``question`` prompts if it has
            one.
        max_prompt_tokens: a longer prompt is an error, naming its id.
    """

    name = "reasoning_gym"
    reward_name = "reasoning_gym"

    def __init__(self, config: ReasoningGymTaskConfig, tokenizer: Any, *, max_prompt_tokens: int) -> None:
        self.config = config
        self.reward_args: dict[str, Any] = {"extraction": config.extraction}
        self.thinking_tags = thinking_tags_of(config, tokenizer)
        self._tokenizer = tokenizer
        self._max_prompt_tokens = max_prompt_tokens
        self._args = {
            (c, n): generator_args(c, n, config.level_args) for c in config.categories for n in config.levels
        }
        unknown = [c for c in config.categories if c not in CATEGORIES]
        if config.style == "compact" and unknown:
            raise ValueError(
                f"task.categories: no compact form for {unknown}; use {sorted(CATEGORIES)} or"
                " task.style=question"
            )

    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        """The first ``limit`` prompts of a split, cells interleaved; a longer list begins with the shorter
        one.

        ``None`` means ``train_prompts`` or ``eval_prompts``. Shorter than asked only if every cell runs out
        of problems.
        """
        size = (
            limit
            if limit is not None
            else (self.config.train_prompts if split == "train" else self.config.eval_prompts)
        )
        weights = {
            cell: self.config.weights.get(cell[0], 1.0) if split == "train" else 1.0 for cell in self._args
        }
        prompts = list(islice(self._interleave(split, weights), size))
        encoded = prompt_ids(self._tokenizer, [p.text for p in prompts], from_template=self._is_chat)
        return [self._with_tokens(prompt, ids) for prompt, ids in zip(prompts, encoded, strict=True)]

    def _interleave(self, split: Split, weights: Mapping[Cell, float]) -> Iterator[Prompt]:
        """Round-robin over cells; a cell of weight w gets w prompts per round."""
        seen: set[str] = set()  # Neighbouring levels may share problems.
        streams = {cell: self._cell_prompts(cell, split, seen) for cell in self._args}
        served = dict.fromkeys(streams, 0)
        while streams:
            # The cell whose next prompt comes earliest on its own clock, ticking at (k + 1/2) / weight; ties
            # in config order.
            cell = min(streams, key=lambda c: (served[c] + 0.5) / weights[c])
            prompt = next(streams[cell], None)
            if prompt is None:
                del streams[cell]
                continue
            served[cell] += 1
            yield prompt

    def _cell_prompts(self, cell: Cell, split: Split, seen: set[str]) -> Iterator[Prompt]:
        category, level = cell
        compact = CATEGORIES[category] if self.config.style == "compact" else None
        args = self._args[cell]
        entries = iter_entries(category, args, seed=self.config.seed)

        def text_of(entry: dict[str, Any]) -> str:
            if compact:
                return compact.question(entry["metadata"])
            asked = worded(self.config.question_template, category, entry)
            return f"{asked} {self.config.instruction}".strip()

        for index, text, entry in iter_unique(entries, text_of=text_of, split=split, seen=seen):
            prompt_id = f"{split}/{category}/L{level}/{index}"
            yield Prompt(
                id=prompt_id,
                text=self._shown(text),
                token_ids=(),  # all at once, in load
                answer=compact.answer(entry["metadata"]) if compact else str(entry["answer"]),
                category=f"{category}/L{level}" if self.config.category_of == "cell" else category,
                difficulty=level,
                metadata=reward_metadata(
                    category, args, entry, compact.answer_format if compact else "plain"
                ),
                thinking_tags=self.thinking_tags,
            )

    @property
    def _is_chat(self) -> bool:
        return self.config.style == "question" and bool(getattr(self._tokenizer, "chat_template", None))

    def _shown(self, text: str) -> str:
        return (
            render_chat(self._tokenizer, [{"role": "user", "content": text}], continue_final=False)
            if self._is_chat
            else text
        )

    def _with_tokens(self, prompt: Prompt, ids: tuple[int, ...]) -> Prompt:
        if len(ids) > self._max_prompt_tokens:
            fix = (
                "raise rollout.max_model_len or lower rollout.max_tokens, or leave the level out of"
                " task.levels"
            )
            raise ValueError(
                f"prompt {prompt.id} has {len(ids)} tokens, more than the {self._max_prompt_tokens} that fit;"
                f" {fix}"
            )
        return replace(prompt, token_ids=ids)


def worded(template: str | None, category: str, entry: Mapping[str, Any]) -> str:
    """The question of a library entry: in the library's words, or in those of ``task.question_template``.

    Raises:
        ValueError: The template names what the entry's metadata lacks.
    """
    if not template:
        return str(entry["question"])
    try:
        return template.format_map(entry["metadata"])
    except (KeyError, IndexError, ValueError) as error:
        raise ValueError(
            f"task.question_template: {template!r} does not fit {category!r} ({error!r}); its items have"
            f" {sorted(entry['metadata'])}, each written as {{name}}"
        ) from error


def reward_metadata(
    category: str, args: Mapping[str, Any], entry: Mapping[str, Any], answer_format: str
) -> dict[str, Any]:
    """Return what the reward needs to ask the library again, JSON-able: dataset, its config, the entry, the
    answer's form."""
    facts = {
        "dataset": category,
        "config": dict(args),
        "entry": {"answer": entry["answer"], "metadata": dict(entry["metadata"])},
        "answer_format": answer_format,
    }
    try:
        return json.loads(json.dumps(facts))
    except TypeError as error:
        raise ValueError(
            f"task.categories: items of {category!r} cannot be sent to a verifier process ({error})"
        ) from error
