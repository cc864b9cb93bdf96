"""Read the values of a row: null is absent, and numbers have one spelling in every format."""

import math
from collections.abc import Mapping
from typing import Any

NULL_IS_A_VALUE = ("expected", "output", "const")
"""Keys under which null may be what is meant: the result of a function, a constant of a JSON schema."""


def without_nulls(value: Any) -> Any:
    """The value without keys that hold null, at any depth; nulls in lists stay, since they hold a place.

    Tables pad rows with nulls (each row has the keys of all rows), so that the same row would have other keys
    in another format.
    """
    if isinstance(value, Mapping):
        return {n: without_nulls(v) for n, v in value.items() if v is not None or n in NULL_IS_A_VALUE}
    if isinstance(value, list | tuple):
        return [without_nulls(inner) for inner in value]
    return value


def is_absent(value: Any) -> bool:
    """True for null, and for NaN, which tables write where a number is missing."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def text_of(value: Any) -> str:
    """A number or text as text; a whole number has no point, as 2.0 is "2"."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def unix_newlines(value: Any) -> Any:
    """The value with Windows' line ends as line feeds, in texts at any depth: a row edited on Windows stays
    the same prompt."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n")
    if isinstance(value, Mapping):
        return {name: unix_newlines(inner) for name, inner in value.items()}
    return [unix_newlines(inner) for inner in value] if isinstance(value, list) else value
