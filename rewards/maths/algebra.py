"""Symbolic equality by math-verify, with a fence around what hangs it, crashes it or fools it."""

import re
from functools import lru_cache
from itertools import accumulate
from typing import Any

import sympy
from math_verify import LatexExtractionConfig, parse, verify
from sympy.core.relational import Relational

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
"""Expressions that keep sympy or the LaTeX parser busy for minutes."""
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
    # Without its own timeouts, which are signals: the verifier pool kills the process of an answer that
    # hangs.
    same = verify(
        gold_expression,
        expression,
        float_rounding=precision,
        allow_set_relation_comp=relations_for_sets,
        timeout_seconds=None,
    )
    return same and _same_numbers(gold_expression, expression, precision)


def is_dangerous(text: str) -> bool:
    """True for explosive powers, deep nesting and braces that do not match."""
    deepest = max(accumulate((character in "([{") - (character in ")]}") for character in text), default=0)
    return deepest > MAX_DEPTH or text.count("{") != text.count("}") or bool(_EXPLOSIVE.search(text))


@lru_cache(maxsize=1024)
def _expression(text: str) -> Any:
    """A sympy object, or None if math-verify cannot read it."""
    config = (LatexExtractionConfig(boxed_match_priority=0),)
    # first_match: else a fraction inside what it cannot read would count as the answer.
    parsed = parse(
        rf"\boxed{{{text}}}",
        config,
        fallback_mode="no_fallback",
        extraction_mode="first_match",
        parsing_timeout=None,
    )
    return parsed[0] if parsed else None


def _same_numbers(gold: Any, given: Any, precision: int) -> bool:
    """Second opinion, with all digits: math-verify takes whatever is smaller than 1e-15 for 0, and some
    infinities for numbers."""
    if isinstance(gold, sympy.Expr) and isinstance(given, sympy.Expr):
        return _same_expr(gold, given, precision)
    pairs = _parts(gold, given)
    return all(_same_numbers(one, other, precision) for one, other in pairs)


def _parts(gold: Any, given: Any) -> list[tuple[Any, Any]]:
    """Entries of two containers of the same form that must agree; none where they are not comparable one by
    one."""
    if (
        isinstance(gold, sympy.MatrixBase)
        and isinstance(given, sympy.MatrixBase)
        and gold.shape == given.shape
    ):
        return list(zip(gold.flat(), given.flat(), strict=True))
    if isinstance(gold, sympy.Interval) and isinstance(given, sympy.Interval):
        return [(gold.start, given.start), (gold.end, given.end)]
    if isinstance(gold, sympy.Tuple) and isinstance(given, sympy.Tuple) and len(gold) == len(given):
        return list(zip(gold.args, given.args, strict=True))
    if isinstance(gold, sympy.FiniteSet) and isinstance(given, sympy.FiniteSet) and len(gold) == len(given):
        ours, theirs = (sorted(one.args, key=_size) for one in (gold, given))
        return list(zip(ours, theirs, strict=True)) if all(map(_is_real, [*ours, *theirs])) else []
    if (
        isinstance(gold, Relational)
        and isinstance(given, Relational)
        and gold.lhs == given.lhs
        and type(gold) is type(given)
    ):
        return [(gold.rhs, given.rhs)]
    return []


def _is_real(expression: Any) -> bool:
    return isinstance(expression, sympy.Expr) and bool(expression.is_number) and bool(expression.is_real)


def _size(expression: Any) -> Any:
    return expression.evalf(30) if _is_real(expression) else sympy.Integer(0)


def _same_expr(gold: sympy.Expr, given: sympy.Expr, precision: int) -> bool:
    """False where both have values, at some point in place of their symbols, that differ relatively."""
    if gold == given:
        return True
    symbols = sorted(gold.free_symbols | given.free_symbols, key=str)
    point = {symbol: sympy.Rational(17 + 6 * index, 13 + 2 * index) for index, symbol in enumerate(symbols)}
    wanted, found = _value(gold, point), _value(given, point)
    if wanted is None or found is None:
        return True
    tolerance = 10.0 ** (1 - precision) if gold.has(sympy.Float) or given.has(sympy.Float) else 1e-20
    return bool(abs(found - wanted) <= tolerance * max(abs(wanted), abs(found)))


def _value(expression: sympy.Expr, point: dict[Any, Any]) -> Any:
    """The number with 30 digits, None if there is none."""
    try:
        value = expression.subs(point).doit().evalf(30)
    except (ArithmeticError, AttributeError, NotImplementedError, RecursionError, TypeError, ValueError):
        return None  # what sympy cannot compute, math-verify has decided on
    return value if value.is_number and value.is_finite else None
