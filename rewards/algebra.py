"""Symbolic equality by math-verify, with a fence around what hangs it, crashes it or fools it."""

import cmath
import re
from functools import lru_cache
from itertools import accumulate
from typing import Any

import sympy  # type: ignore[import-untyped]
from math_verify import LatexExtractionConfig, parse, verify

MAX_DEPTH = 40
"""Brackets open at once; deeper answers exhaust the LaTeX parser's stack."""

EXPLOSIVE = {
    "an exponent of five digits": r"(?:\^|\*\*)\s*[{(]*\s*-?\d{5,}",
    "a power of a power": r"(?:\^|\*\*)\s*[{(]*\s*\d+\s*[})]*\s*(?:\^|\*\*)",
    "a large binomial": r"binom\s*\{?\s*\d{5,}",
    "the factorial of a large number, a bracket or a factorial": r"(?:\d{4}|[})!])\s*[})]*\s*!",
    "many factorials": r"(?:![^!]*){4}",
    "many absolute values": r"(?:\|[^|]*){13}",
    "many integrals": r"(?:\\int.*){5}",
}
"""What keeps sympy or the LaTeX parser busy for minutes."""
_EXPLOSIVE = re.compile("|".join(EXPLOSIVE.values()), re.DOTALL)
_INFINITE = (sympy.oo, sympy.zoo, sympy.nan)
_OPEN_ENDED = re.compile(r"infty|∞|[<>≤≥]|\\[lg]eq?|\\mathbb")


def same_expression(gold: str, given: str, precision: int = 6, *, relations_for_sets: bool = False) -> bool:
    """True if math-verify can read both and finds them equal; False for answers that would hang or crash it.

    Args:
        gold: The reference, LaTeX or plain.
        given: The answer to judge; its order matters for math-verify.
        precision: Decimals to which it rounds numbers before it compares them.
        relations_for_sets: Compare a set as reference with a relation as answer.
    """
    if is_dangerous(given):
        return False
    gold_expression, expression = _expression(gold), _expression(given)
    if gold_expression is None or expression is None:
        return False
    if expression.has(*_INFINITE) and not _OPEN_ENDED.search(gold):
        return False  # math-verify takes long products of infinities for a set of small numbers
    # Without its own timeouts, which are signals: the verifier pool kills the process of an answer that hangs.
    same = verify(
        gold_expression, expression, float_rounding=precision, allow_set_relation_comp=relations_for_sets, timeout_seconds=None
    )
    return same and _same_value(gold_expression, expression, 10.0 ** (1 - precision))


def is_dangerous(text: str) -> bool:
    """True for explosive powers, deep nesting and braces that do not match."""
    deepest = max(accumulate((character in "([{") - (character in ")]}") for character in text), default=0)
    return deepest > MAX_DEPTH or text.count("{") != text.count("}") or bool(_EXPLOSIVE.search(text))


@lru_cache(maxsize=1024)
def _expression(text: str) -> Any:
    """A sympy object, or None if math-verify cannot read it."""
    config = (LatexExtractionConfig(boxed_match_priority=0),)
    # first_match: else a fraction inside what it cannot read would count as the answer.
    parsed = parse(rf"\boxed{{{text}}}", config, fallback_mode="no_fallback", extraction_mode="first_match", parsing_timeout=None)
    return parsed[0] if parsed else None


def _same_value(gold: Any, given: Any, tolerance: float) -> bool:
    """Second opinion where both are numbers: math-verify takes a long product of infinities for the square root of 2."""
    if not (isinstance(gold, sympy.Expr) and isinstance(given, sympy.Expr) and gold.is_number and given.is_number):
        return True
    try:
        wanted, found = complex(gold.doit().evalf(30)), complex(given.doit().evalf(30))
    except OverflowError:  # beyond floats, where math-verify compares exactly
        return True
    return cmath.isinf(wanted) or abs(found - wanted) <= tolerance * max(1.0, abs(wanted))
