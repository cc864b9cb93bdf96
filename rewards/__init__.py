"""Verifiers: each says of one completion text how good it is, and why.

A new reward is one module with a factory (a class or a function that takes keyword arguments and returns a
:class:`~rollout.types.Reward`), a function ``example() -> (Prompt, text)`` whose text must score 1 (a
form-only component's: cost nothing), and one line in :data:`REWARDS`; the contract tests find it there.
Rewards outside this package are named by import path, ``pkg.module:attr``, or by file,
``path/to/file.py:attr``; functions of TRL's, verl's and other forms are known by their parameters
(``rewards.user_functions.plain``).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from rewards.user_functions.foreign import attempt, describe
from rewards.user_functions.plain import Form, as_reward, form_of
from rollout.types import Prompt, Reward
from rollout.user_code import NoSuchName, load_attribute

REWARDS: dict[str, str] = {
    "code": "rewards.code.reward:CodeReward",
    "cosine_length": "rewards.components.cosine_length:CosineLengthReward",
    "exact": "rewards.exact:ExactReward",
    "experts": "rewards.experts:ExpertsReward",
    "f1": "rewards.components.f1:F1Reward",
    "format": "rewards.components.format:FormatReward",
    "ifeval": "rewards.ifeval.reward:IFEvalReward",
    "json_schema": "rewards.components.json_schema:JsonSchemaReward",
    "judgement": "rewards.components.judgement:JudgementReward",
    "language": "rewards.components.language:LanguageReward",
    "last_number": "rewards.last_number:LastNumberReward",
    "length": "rewards.components.length:LengthReward",
    "math": "rewards.maths:MathReward",
    "mixture": "rewards.mixture:MixtureReward",
    "multiple_choice": "rewards.components.multiple_choice:MultipleChoiceReward",
    "reasoning_gym": "rewards.reasoning_gym:ReasoningGymReward",
    "regex": "rewards.components.pattern:RegexReward",
    "repetition": "rewards.components.repetition:RepetitionReward",
    "rubric": "rewards.rubric.rubric:RubricReward",
    "tag_count": "rewards.components.tag_count:TagCountReward",
}
"""Name -> ``module:factory``. Strings, so that a process imports only what it uses."""


def build_reward(name: str, args: Mapping[str, Any] | None = None) -> Reward:
    """Make a reward from its name and keyword arguments.

    Args:
        name: A key of :data:`REWARDS`, or ``pkg.module:attr`` or ``path/to/file.py:attr``: a class or factory
            of your own that makes the reward, or a function that judges
            (``rewards.user_functions.plain.form_of`` tells which).
        args: Keyword arguments of the factory, or constants of the function.

    Raises:
        ValueError: No such name, module or attribute, arguments that do not fit, or a factory that returns
            nothing callable.
    """
    target = REWARDS.get(name, name)
    if ":" not in target:
        raise ValueError(
            f"reward: {name!r} is unknown; use one of {sorted(REWARDS)}, or your own: path/to/file.py:attr or"
            " pkg.module:attr"
        )
    found = _load(target, name)
    form = form_of(found)
    if form == "reward":
        return cast(Reward, found)
    if form != "factory":
        return _judging(found, form, name, args or {})
    try:
        reward = found(**(args or {}))
    except TypeError as error:
        fix = (
            "attr must be a class or function that takes reward_args and returns the reward, or a function"
            " that judges"
        )
        raise ValueError(
            f"reward: {name!r} does not take reward_args {dict(args or {})}: {error}; {fix}"
        ) from error
    if not callable(reward):
        raise ValueError(
            f"reward: {name!r} returned {type(reward).__name__}, which cannot be called; return the reward"
            " itself"
        )
    form = form_of(reward)
    return reward if form in ("reward", "factory") or name in REWARDS else _judging(reward, form, name, {})


def _judging(function: Any, form: Form, name: str, args: Mapping[str, Any]) -> Reward:
    try:
        return as_reward(function, form, args)
    except ValueError as error:
        raise ValueError(f"reward: {name!r}: {error}") from error


def modules_of(name: str, args: Mapping[str, Any] | None = None) -> list[str]:
    """Return what a process that will build this reward may import beforehand: the reward's module, and those
    of shipped rewards that its arguments name, as a rubric's do."""
    named = {REWARDS.get(one, one) for one in rewards_in(name, args)}
    return sorted({target.rpartition(":")[0] for target in named if ":" in target})


def rewards_in(name: str, args: Mapping[str, Any] | None = None) -> set[str]:
    """The reward, and the shipped ones that its arguments name."""
    return {name} | {text for text in texts_in(dict(args or {})) if text in REWARDS}


def timeout_means(name: str, reward: Reward) -> str:
    """Say what a completion is that the reward takes too long for: ``wrong`` or ``unjudged``; the reward's
    attribute ``on_timeout``.

    Without one it is wrong for shipped rewards, which compute alone, in a fraction of their time, so that the
    text itself is what takes long (and a policy that learns such texts must not leave its denominators by
    them); and unjudged for your own, which may wait for a service.
    """
    said = getattr(reward, "on_timeout", None) or ("wrong" if name in REWARDS else "unjudged")
    if said not in ("wrong", "unjudged"):
        raise ValueError(f"reward: on_timeout of {name!r} is {said!r}; it is wrong or unjudged")
    return str(said)


def timeout_of_parts(parts: Iterable[tuple[str, Reward]]) -> str:
    """``timeout_means`` of a reward that asks several (name, reward): unjudged if that is what it means to
    one of them."""
    return "unjudged" if any(timeout_means(name, reward) == "unjudged" for name, reward in parts) else "wrong"


def texts_in(value: Any) -> Iterator[str]:
    """Every text in nested mappings and lists: where a config may name a reward or a user's file."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)


def check_reward(reward: Reward, prompts: Iterable[Prompt]) -> None:
    """Find out before a run starts whether this reward can judge these prompts; rewards may have a
    ``check(prompt)`` method.

    Raises:
        ValueError: It judges form only, so that nothing would ever be correct, or it misses something of a
            prompt.
    """
    if getattr(reward, "form_only", False):
        raise ValueError(
            "task.reward: judges form only, so no answer would ever be correct; use it in a rubric, beside a"
            " verifier"
        )
    if (check := getattr(reward, "check", None)) is not None:
        for prompt in prompts:
            check(prompt)


def _load(target: str, name: str) -> Any:
    """Load what the name stands for; whatever the user's own module raises is said with its place."""
    place, _, attr = target.rpartition(":")
    found, error = attempt(load_attribute, target)
    if isinstance(error, NoSuchName) or (error is None and not callable(found)):
        raise ValueError(f"reward: {name!r}: {place!r} has no class or function {attr!r}") from error
    if error is not None:
        fix = (
            "give the file's path, path/to/file.py:attr, or a module that is installed or in the working"
            " directory"
        )
        raise ValueError(f"reward: {name!r}: cannot import {place!r} ({describe(error)}); {fix}") from error
    return found
