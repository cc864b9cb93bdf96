"""What counts as the same answer."""

import numpy as np
import pytest

from planner.strategies.base import Attempt
from rl.serve.votes import answer_of, fallback


@pytest.mark.parametrize(
    ("reward", "args", "text", "vote"),
    [
        (None, {}, r"So 2+2 is \boxed{4}, not 5", "4"),
        (None, {}, "<think>4?</think> Blue\n  WHALE", "blue whale"),
        (None, {}, "it makes 17 in all", "17"),
        (None, {}, "  ", None),
        ("math", {"extraction": "boxed"}, "the answer is 4", None),
        ("math", {"extraction": "boxed"}, r"\boxed{ 4 }", "4"),
        ("reasoning_gym", {}, "36%24:12#12", "12"),
        ("reasoning_gym", {"extraction": "last_number"}, "12, then 13.", "13"),
        ("reasoning_gym", {}, "no mark", None),
        ("exact", {}, "Yes", "yes"),
    ],
)
def test_votes(reward: str | None, args: dict[str, str], text: str, vote: str | None) -> None:
    assert answer_of(reward, args)(text) == vote


def test_fallback_is_the_first_sample_of_the_majority_else_the_first_that_speaks() -> None:
    def chosen(*texts: str) -> str:
        attempts = [Attempt(text=text, tokens=1, truncated=False) for text in texts]
        return fallback(attempts, answer_of("reasoning_gym", {}), np.random.default_rng(0)).text

    assert chosen("a#1", "b#2", "c#2") == "b#2"
    assert chosen("", "hm", "well") == "hm"
    assert chosen("", "") == ""
