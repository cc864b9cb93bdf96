"""A reward of the user's own on trial, before any actor starts: does it judge at all, and what does it
raise."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from rewards import REWARDS, rewards_in
from rewards.processes.pool import VerifierPool
from rewards.processes.probe import OTHER
from rl.run.prepare.battery_trial import Battery, try_battery
from rollout.types import Failure, Prompt, RewardResult

logger = logging.getLogger(__name__)
PROMPTS = 2
"""That the reward is tried on, with two completions each."""


def is_own(name: str, args: Mapping[str, Any]) -> bool:
    """True if a reward of the user's own judges, alone or as a part of a shipped one; those are tested where
    they are made."""
    return any(":" in one and one not in REWARDS for one in rewards_in(name, args) | set(_named(args)))


def try_reward(
    name: str,
    args: Mapping[str, Any],
    prompts: Sequence[Prompt],
    options: Mapping[str, Any],
    *,
    may_abstain: bool,
) -> Battery:
    """Judge a few completions of the first prompts (the reference answer, and one that is wrong) in a
    verifier process.

    Args:
        name: For ``rewards.build_reward``.
        args: Its keyword arguments.
        prompts: Of the run.
        options: Of ``VerifierPool``.
        may_abstain: None of all of them may mean that it judges other prompts, as a function of TRL's form
            may.

    Returns:
        What it made of answers that must not count as right; empty where it did not judge all of the others.

    Raises:
        ValueError: The reward judged none of them; the message says what it raised or returned, and where.
    """
    results, battery = asyncio.run(_judged(name, args, prompts[:PROMPTS], options))
    problems = {result.reason: result.failure for result in results if not result.judged}
    slow = [reason for reason, failure in problems.items() if failure is Failure.TIMEOUT]
    if slow:  # what is slow the first time may be fast later; the run finds out
        logger.warning(
            "task.reward: %s took longer than %g s for a trial completion; raise verifiers.timeout_s, or do"
            " what is slow when its module is imported",
            name,
            options["timeout_s"],
        )
        problems = {reason: failure for reason, failure in problems.items() if reason not in slow}
    if not problems:
        return battery
    first, failure = next(iter(problems.items()))
    abstained = set(problems.values()) == {Failure.NOT_APPLICABLE}
    late = any(result.failure is Failure.TIMEOUT for result in results)
    if late or any(result.judged for result in results) or (may_abstain and abstained):
        logger.warning(
            "task.reward: %s did not judge every one of %d trial completions: %s",
            name,
            len(results),
            first,
        )
        return battery
    said = "returned None" if failure is Failure.NOT_APPLICABLE else first.removeprefix("error: ")
    raise ValueError(
        f"task.reward: {name} judged none of {len(results)} trial completions, so nothing could be trained"
        f" on: {said}. docs/rewards.md says what a reward gets and may return; t2rl rewards score tries it on"
        " a file"
    )


async def _judged(
    name: str, args: Mapping[str, Any], prompts: Sequence[Prompt], options: Mapping[str, Any]
) -> tuple[list[RewardResult], Battery]:
    pool = VerifierPool(
        "rewards.processes.probe:Probe",
        {"reward": name, "args": dict(args)},
        **{**options, "num_workers": 1, "cache": 0},
    )
    try:
        await pool.start()
        results = [
            one for p in prompts for one in await pool.score(p, [p.answer or OTHER, OTHER], [False, False])
        ]
        judged = all(result.judged for result in results)
        return results, await try_battery(pool, prompts, args) if judged else Battery()
    finally:
        await pool.close()


def _named(value: Any) -> list[str]:
    """Every text among JSON-like arguments that names code, ``place:attr``."""
    if isinstance(value, str):
        place, _, attribute = value.rpartition(":")
        return [value] if place and attribute.isidentifier() and " " not in place else []
    if isinstance(value, Mapping):
        return [name for inner in value.values() for name in _named(inner)]
    return [name for inner in value for name in _named(inner)] if isinstance(value, list | tuple) else []
