"""The kinds of parts that ``t2rl objective check`` knows: where each comes from, and its contract."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from rl.config.algorithm import AlgorithmConfig
from rl.config.base import Section
from rl.config.fields import without_tags
from rl.config.learner import LearnerConfig
from rl.learner.contract import optimizer, schedule
from rl.learner.optimizers import OPTIMIZERS, resolve_optimizer
from rl.learner.schedules import SCHEDULES, resolve_schedule
from rl.objective.advantages import ADVANTAGES, resolve_advantage
from rl.objective.contract import advantage, likelihood, mask, shaping
from rl.objective.likelihood import LIKELIHOODS, resolve_likelihood
from rl.objective.masks import MASKS, resolve_mask
from rl.objective.shaping import SHAPINGS, resolve_shaping
from rollout.contract import Finding, run_checks

SectionType = TypeVar("SectionType", bound=Section)
Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of part."""

    shipped: Mapping[str, Any]
    """Our registry, by name."""
    ask: Callable[[str, Arguments], Any]
    """(name, arguments) -> what the checks are called with."""
    checks: Mapping[str, Callable[..., None]]
    declared: Mapping[str, Sequence[str]]
    """Shipped name -> checks that it need not keep."""


def _advantage(name: str, args: Arguments) -> advantage.AskedAdvantage:
    config = _section(AlgorithmConfig, args, "advantage", name)
    return advantage.AskedAdvantage(estimate=resolve_advantage(name), config=config)


def _mask(name: str, args: Arguments) -> mask.AskedMask:
    return mask.AskedMask(mask=resolve_mask(name), config=_section(AlgorithmConfig, args, "mask", name))


def _likelihood(name: str, args: Arguments) -> likelihood.AskedLikelihood:
    config = _section(AlgorithmConfig, {"mask": "none"} | dict(args), "likelihood", name)
    return likelihood.AskedLikelihood(likelihood=resolve_likelihood(name), config=config)


def _shaping(name: str, args: Arguments) -> shaping.AskedShaping:
    return shaping.AskedShaping(shape=resolve_shaping(name), args=args)


def _schedule(name: str, args: Arguments) -> schedule.AskedSchedule:
    config = _section(LearnerConfig, args, "schedule", name)
    return schedule.AskedSchedule(schedule=resolve_schedule(name), config=config)


def _optimizer(name: str, args: Arguments) -> optimizer.AskedOptimizer:
    config = _section(LearnerConfig, args, "optimizer", name)
    return optimizer.AskedOptimizer(factory=resolve_optimizer(name), config=config)


KINDS: dict[str, Kind] = {
    "advantage": Kind(
        shipped=ADVANTAGES, ask=_advantage, checks=advantage.CHECKS, declared=advantage.DECLARED
    ),
    "mask": Kind(shipped=MASKS, ask=_mask, checks=mask.CHECKS, declared={}),
    "likelihood": Kind(shipped=LIKELIHOODS, ask=_likelihood, checks=likelihood.CHECKS, declared={}),
    "shaping": Kind(shipped=SHAPINGS, ask=_shaping, checks=shaping.CHECKS, declared={}),
    "schedule": Kind(shipped=SCHEDULES, ask=_schedule, checks=schedule.CHECKS, declared=schedule.DECLARED),
    "optimizer": Kind(shipped=OPTIMIZERS, ask=_optimizer, checks=optimizer.CHECKS, declared={}),
}
"""Kind -> its registry and contract."""


def kind_of(name: str, given: str | None) -> str:
    """The kind that is meant: the given one, or that of a shipped name.

    Raises:
        ValueError: there is no such kind, or code outside the project has none given.
    """
    if given is not None:
        if given not in KINDS:
            raise ValueError(f"--kind {given}: choose one of {', '.join(KINDS)}")
        return given
    found = [kind for kind, one in KINDS.items() if name in one.shipped]
    if len(found) == 1:
        return found[0]
    if ":" in name:
        raise ValueError(f"--kind: say what {name} is, one of {', '.join(KINDS)}")
    shipped = "; ".join(f"{kind}: {', '.join(sorted(one.shipped))}" for kind, one in KINDS.items())
    raise ValueError(
        f"{name!r} is no part that ships ({shipped}); name code of your own as pkg.module:attr or"
        " path/to/file.py:attr"
    )


def check_contract(kind: str, name: str, args: Arguments, *, allow: Sequence[str] = ()) -> list[Finding]:
    """Run the contract of a kind on a part of that name.

    Args:
        kind: of ``KINDS``.
        name: a shipped one, or ``pkg.module:attr`` or ``path/to/file.py:attr``.
        args: arguments of a shaping; of other kinds what the part reads, and fields of the section around it.
        allow: checks that may fail, beside those that a shipped part is declared not to keep.

    Raises:
        ValueError: there is no such part or check, or the settings are wrong.
    """
    one = KINDS[kind]
    return run_checks(one.checks, one.ask(name, args), allow=[*allow, *one.declared.get(name, ())])


def _section(section: type[SectionType], args: Arguments, field: str, name: str) -> SectionType:
    """The section with the part in ``field``: names of its fields among the arguments are meant for it, all
    others for the part."""
    around = {key: value for key, value in args.items() if key in section.model_fields}
    settings = {key: value for key, value in args.items() if key not in around}
    own = {"args": settings} if ":" in name else settings
    try:
        return section.model_validate(around | {field: {"name": name} | own})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(without_tags(section, [str(part) for part in first["loc"]]))
        raise ValueError(f"--args {json.dumps(dict(args))}: {place}: {first['msg']}") from error
