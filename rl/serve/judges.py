"""The reward as a judge of requests: which ones it can judge, its verdicts, and its values as scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from planner.strategies.base import Attempt, Score, Verifier
from rewards import build_reward
from rl.engines.decode import RewardVerifier
from rl.scorers.rules import rules_of
from rl.serve.errors import RequestError
from rl.serve.requests import Hints
from rl.stream.waiting import wait_for
from rollout.types import GroupScorer, Prompt

MALFORMED = (TypeError, LookupError, AttributeError)
"""Exceptions that a reward's check may raise on metadata of the wrong types: files are typed before, requests
are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardScorer:
    """A ``planner.strategies.base.Scorer``: the reward's value; it reads no tokens."""

    scorer: GroupScorer
    timeout_s: float = 60.0

    def most_tokens(self, prompt: Prompt, attempt_tokens: int) -> int:
        """None."""
        return 0

    async def score(self, prompt: Prompt, attempts: Sequence[Attempt]) -> list[Score]:
        """[n] values; one that could not be judged is worth no more than any that was, and no vote.
        StreamTimeout if the pool does not answer."""
        scoring = self.scorer.score(prompt, [a.text for a in attempts], [a.truncated for a in attempts])
        results = await wait_for(scoring, self.timeout_s, f"rewards of prompt {prompt.id}")
        least = min([0.0, *(result.value for result in results if result.judged)])
        return [Score(value=result.value if result.judged else least) for result in results]


class Judge:
    """A reward, and the pool that runs it.

    Args:
        reward: For ``rewards.build_reward``; it is built here too, since it knows what it can judge.
        args: Its keyword arguments.
        scorer: The pool.
        timeout_s: For the verdicts of one round of samples.

    Raises:
        ValueError: no such reward, or arguments that do not fit.
    """

    def __init__(
        self, reward: str, args: Mapping[str, Any], scorer: GroupScorer, *, timeout_s: float = 60.0
    ) -> None:
        built, rules = build_reward(reward, args), rules_of(reward)
        self._name, self._rules = reward, rules
        self._check: Callable[[Prompt], None] = getattr(built, "check", lambda prompt: None)
        self.form_only = bool(getattr(built, "form_only", False))
        """It scores form, so that nothing is ever correct: of use for best_of_n and weighted_vote only."""
        self.verifier: Verifier = RewardVerifier(scorer=scorer, timeout_s=timeout_s)
        self.scorer = RewardScorer(scorer=scorer, timeout_s=timeout_s)

    def can_judge(self, hints: Hints) -> bool:
        """True if the request says what to judge by, or the reward needs nothing of it."""
        return hints.judgeable or self.form_only

    def check(self, prompt: Prompt, hints: Hints) -> None:
        """Before a token is spent.

        Raises:
            RequestError: 400, naming what the reward misses.
        """
        missing = "answer" in self._rules.required and hints.answer is None
        if missing and not self.form_only:
            raise RequestError(
                400, f"t2rl.answer is missing: the reward {self._name} compares with it", param="t2rl.answer"
            )
        try:
            self._check(prompt)
        except ValueError as error:
            raise RequestError(400, f"t2rl.metadata: {error}", param="t2rl.metadata") from error
        except MALFORMED as error:
            text = (
                f"t2rl.metadata: not of the form that the reward {self._name} reads ({type(error).__name__}:"
                f" {error})"
            )
            raise RequestError(400, text, param="t2rl.metadata") from error
