"""Reward functions as TRL's users write them, for the tests."""

from collections.abc import Callable
from typing import Any


def contains_answer(completions: list[str], answer: list[str], **kwargs: Any) -> list[float]:
    return [float(wanted in text) for text, wanted in zip(completions, answer, strict=True)]


def only_named(prompts: list[str], completions: list[str], level: list[int]) -> list[float]:
    return [len(text) / level[0] for text in completions]


def only_hard(completions: list[str], difficulty: list[int], **kwargs: Any) -> list[float | None]:
    return [1.0 if level > 2 else None for level in difficulty]


def chats(completions: list[list[dict[str, str]]], solution: list[str], **kwargs: Any) -> list[float]:
    return [float(chat[0]["content"] == wanted) for chat, wanted in zip(completions, solution, strict=True)]


async def later(completions: list[str], **kwargs: Any) -> list[float]:
    return [0.5 for _ in completions]


def make_scaled(*, factor: float) -> Callable[..., list[float]]:
    def scaled(completions: list[str], **kwargs: Any) -> list[float]:
        return [factor * len(text) for text in completions]

    return scaled


def target_column(completions: list[str], target: list[str], bonus: float = 0.0) -> list[float]:
    return [float(text == wanted) + bonus for text, wanted in zip(completions, target, strict=True)]


def needs_ids(completions: list[str], completion_ids: list[list[int]]) -> list[float]:
    return [float(len(ids)) for ids in completion_ids]


def not_a_number(completions: list[str], **kwargs: Any) -> list[float]:
    return [float("nan") for _ in completions]


def two_for_one(completions: list[str], **kwargs: Any) -> list[float]:
    return [1.0, 1.0]
