"""A field's type as a user would say it: ``whole number, at least 1``, ``cpu | cuda``, ``list of numbers, or
null``."""

import types
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

PLAIN = {bool: "true | false", int: "whole number", float: "number", str: "text", dict: "mapping"}
BOUNDS = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))


def type_of(info: FieldInfo) -> str:
    """Return the type of a field that is no section, in words."""
    return _with_bounds(_words(info.annotation), info.metadata)


def choices(annotation: Any) -> list[str]:
    """The members of a Literal, wherever it stands in an annotation."""
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for part in get_args(annotation) for choice in choices(part)]


def _words(annotation: Any) -> str:
    if hasattr(annotation, "__metadata__"):
        return _with_bounds(_words(get_args(annotation)[0]), annotation.__metadata__)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(str, parts))
    if origin in (Union, types.UnionType):
        inner = [_words(part) for part in parts if part is not type(None)]
        return ", or ".join([*inner, "null"] if type(None) in parts else inner)
    if origin is tuple:
        if len(parts) == 2 and parts[1] is not Ellipsis:
            return f"list of two: {_words(parts[0])}"
        return f"list, each: {_words(parts[0])}"
    if origin is dict:
        return "mapping"
    return PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _with_bounds(words: str, metadata: Any) -> str:
    said = []
    for constraint in metadata:
        said += [
            f"{word} {getattr(constraint, bound):g}"
            for bound, word in BOUNDS
            if getattr(constraint, bound, None) is not None
        ]
    if said == ["above 0"] and words == "whole number":
        said = ["at least 1"]
    return ", ".join([words, *dict.fromkeys(said)])
