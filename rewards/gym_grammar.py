"""The answers that reasoning-gym's verifiers may see: some run them, or parts of the problem, as Python.

``eval`` stands in six of them, and sympy's ``parse_expr``, which is an ``eval`` too, in five. A completion
must not run code in the process that judges it, nor must the metadata that a client of ``t2rl serve`` sends.
So these verifiers see only what matches a grammar that names nothing but numbers, operators, variables and
functions of mathematics. Source: ``score_answer`` of each dataset in reasoning-gym 0.1.
"""

import ast
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

# Possessive: a completion must not make the match try every way to divide it.
_ARITHMETIC = re.compile(r"(?:[-+()\d\s]|\*(?!\s*\*)|/(?!\s*/))++", re.ASCII)
_ALGEBRA = re.compile(r"(?:[\dA-Za-z+\-*/(),\s]|(?<=\d)\.(?![A-Za-z])|\.(?=\d))++", re.ASCII)
_NAMES = re.compile(r"[A-Za-z]+")
_FUNCTIONS = frozenset(
    [
        *("exp", "log", "ln", "sqrt", "Abs", "pi", "sin", "cos", "tan", "sec", "csc", "cot"),
        *("asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    ]
)
_BITWISE = re.compile(r"(?:0x[\da-f]++|[-+*()\d\s]|<<|>>)++", re.ASCII)
MOST = 2000
"""Characters of an expression; longer ones are none that a dataset asks for."""


def is_arithmetic(text: str) -> bool:
    """True for natural numbers under ``+ - * /`` and brackets."""
    return len(text) <= MOST and _ARITHMETIC.fullmatch(text) is not None


def is_algebra(text: str) -> bool:
    """True for an expression of numbers, one-letter variables and functions such as ``sin``."""
    known = all(len(name) == 1 or name in _FUNCTIONS for name in _NAMES.findall(text))
    return known and len(text) <= MOST and _ALGEBRA.fullmatch(text) is not None


def is_literal(text: str) -> bool:
    """True for a Python literal: numbers, strings, and lists of them."""
    try:
        ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def value_of(text: str) -> Fraction:
    """The value of a text that ``is_arithmetic``, exactly.

    Raises:
        ValueError: It is no expression.
        ZeroDivisionError: As it says.
    """
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"no expression: {error}") from error


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int(number)):
            return Fraction(number)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            return -_value(operand) if isinstance(sign, ast.USub) else _value(operand)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left) + _value(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _value(left) - _value(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _value(left) * _value(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _value(left) / _value(right)
    raise ValueError(f"no arithmetic: {ast.dump(node)[:80]}")


def _of_literals(answer: str, entry: Mapping[str, Any]) -> bool:
    """The verifier compares first, and evaluates what is not equal."""
    return answer in (entry["answer"], *entry["metadata"].get("valid_answers", ())) or is_literal(answer)


def _of_integrals(answer: str, entry: Mapping[str, Any]) -> bool:
    return is_algebra(answer) and is_algebra(entry["metadata"]["integrand"])


EVALUATED: dict[str, Callable[[str, Mapping[str, Any]], bool]] = {
    "binary_matrix": _of_literals,
    "n_queens": _of_literals,
    "spiral_matrix": _of_literals,
    "string_insertion": _of_literals,
    "countdown": lambda answer, _: is_arithmetic(answer),
    "puzzle24": lambda answer, _: is_arithmetic(answer),
    "simple_integration": _of_integrals,
    "intermediate_integration": _of_integrals,
    "polynomial_multiplication": lambda answer, entry: is_algebra(answer) and is_algebra(entry["answer"]),
    "bitwise_arithmetic": lambda _, entry: _BITWISE.fullmatch(entry["metadata"]["problem"]) is not None,
    "number_sorting": lambda _, entry: is_literal(entry["answer"]),
}
"""Dataset -> (answer, entry) -> True where its verifier may see them."""
