"""Contracts of plug-ins: checks by name, run on one part, and what each of them found.

The checks themselves are in ``curricula/contract``, ``rl/objective/contract``, ``rl/learner/contract``,
``rl/tasks/contract.py`` and ``rl/records/advisories/contract.py``; they hold for our parts and for a user's.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any


class ContractBroken(AssertionError):
    """A part does what no part may do; the message says what, and what to do instead."""


FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Exceptions of a faulty part, reported as a broken contract; anything else is not the part's and goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The finding of one check."""

    check: str
    passed: bool
    problem: str = ""
    """The problem and its remedy; '' if the check passed."""
    allowed: bool = False
    """The check failed, and the part is declared not to keep it."""

    @property
    def good(self) -> bool:
        """The check passed, or need not."""
        return self.passed or self.allowed


def require(condition: bool, text: str) -> None:
    """Raise ContractBroken unless the condition holds."""
    if not condition:
        raise ContractBroken(text)


def run_checks(
    checks: Mapping[str, Callable[..., None]], *arguments: Any, allow: Collection[str] = ()
) -> list[Finding]:
    """Every check in order, each called with ``arguments``.

    Args:
        checks: name -> check, which raises one of ``FAULTS`` if the contract is broken.
        arguments: of every check; those that it may change must be made afresh by it.
        allow: names of checks that the part is declared not to keep.

    Raises:
        ValueError: there is no check of a name in ``allow``.
    """
    unknown = sorted(set(allow) - checks.keys())
    if unknown:
        raise ValueError(f"--allow {unknown[0]!r}: no such check; there are {', '.join(map(repr, checks))}")
    return [_run(name, check, arguments, name in allow) for name, check in checks.items()]


def _run(name: str, check: Callable[..., None], arguments: tuple[Any, ...], allowed: bool) -> Finding:
    try:
        check(*arguments)
    except FAULTS as error:
        kind = "" if isinstance(error, ContractBroken) else f"{type(error).__name__}: "
        return Finding(check=name, passed=False, problem=f"{kind}{error}", allowed=allowed)
    return Finding(check=name, passed=True)
