"""Rewards as users write them, good and bad, for the tests: loaded by path."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from rollout.types import Prompt, RewardResult


class Raises:
    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        return RewardResult(value=prompt.metadata["solution"], correct=True)


class Outage:
    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        if text.startswith("I"):
            raise ConnectionError("judge is down")
        return RewardResult(value=1.0, correct=True)


class Sleeps:
    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> float:
        time.sleep(1)
        return 1.0


class Dear:
    """Its verdicts take long, and each is noted in a file."""

    def __init__(self, asked: str) -> None:
        self.asked = asked

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> float:
        with Path(self.asked).open("a") as file:
            file.write("verdict\n")
        time.sleep(0.7)
        return 1.0


class Returns:
    """Whatever the argument names."""

    KINDS: ClassVar[dict[str, Any]] = {
        "float": 0.5,
        "int": 1,
        "true": True,
        "none": None,
        "nan": float("nan"),
        "numpy": np.float32(1),
        "array": np.array([1.0]),
        "two": np.array([1.0, 0.0]),
        "list": [1.0],
        "text": "right",
        "fields": RewardResult(value=np.float32(1), correct=np.bool_(True)),
        "score": {"score": 0.25, "acc": True, "form": 1, "note": "x"},
    }

    def __init__(self, *, kind: str, correct_at: float = 1.0) -> None:
        self.kind, self.correct_at = kind, correct_at

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> Any:
        return self.KINDS[self.kind]


def plain(prompt: str, text: str) -> float:
    return float(prompt == "2 + 2 =" and text == "4")


def answered(completion: str, answer: str, *, scale: float = 1.0) -> float:
    return scale * (completion == answer)


def of_prompt(prompt: Prompt, text: str, *, truncated: bool) -> bool:
    return text == prompt.answer and not truncated


async def later(text: str, metadata: dict[str, Any]) -> float:
    return float(metadata["level"])


def unfilled(text: str, judge: str) -> float:
    return 1.0


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Any = None
) -> dict[str, Any]:
    assert (data_source, extra_info) == ("sums", {"level": 3})
    return {"score": float(solution_str == ground_truth), "length": len(solution_str)}


def abstains(completions: list[str], **columns: Any) -> list[float | None]:
    return [None if text == "?" else 1.0 for text in completions]


def chat(completions: list[list[dict[str, str]]], **columns: Any) -> list[float]:
    return [1.0 if each[0]["content"] == "4" else 0.0 for each in completions]


def bools(completions: list[str], **columns: Any) -> list[bool]:
    return [text == "4" for text in completions]


async def asynchronous(completions: list[str], **columns: Any) -> list[float]:
    return [0.5 for _ in completions]


def longest(completions: list[str], **columns: Any) -> list[float]:
    most = max(len(text) for text in completions)
    return [float(len(text) == most) for text in completions]


def nan(completions: list[str], **columns: Any) -> list[float]:
    return [float("nan") for _ in completions]


def scalar(completions: list[str], **columns: Any) -> float:
    return 1.0


def tensors(completions: list[str], **columns: Any) -> Any:
    import torch

    return torch.tensor([float(text == "4") for text in completions])


def too_many(completions: list[str], **columns: Any) -> list[float]:
    return [1.0, 1.0, 1.0]


made = SimpleNamespace(judge=of_prompt)
ready = Returns(kind="true")


def any_box(prompt: str, text: str) -> float:
    """Gamed by anything in a box."""
    return float("\\boxed{" in text)


def exact(text: str, answer: str) -> float:
    """Takes the answer alone."""
    return float(text.strip() == answer)
