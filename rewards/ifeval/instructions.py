"""From a prompt's metadata to checks that are ready to run."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rewards.ifeval.kinds import KINDS


def read_instructions(metadata: Mapping[str, Any]) -> list[tuple[str, Callable[[str], bool]]]:
    """The (id, check) pairs that ``instruction_id_list`` and ``kwargs`` describe; a check takes the text.

    Keyword arguments that are None are left out, since the published files name every argument of every kind.

    Raises:
        ValueError: A field is missing or malformed, an id is unknown, or an instruction lacks an argument or
            has one too many.
    """
    ids, kwargs = metadata.get("instruction_id_list"), metadata.get("kwargs")
    if not isinstance(ids, list | tuple) or not ids:
        raise ValueError("instruction_id_list: give a list of at least one instruction id")
    if kwargs is None:
        kwargs = [{}] * len(ids)
    if not isinstance(kwargs, list | tuple) or len(kwargs) != len(ids):
        raise ValueError(
            f"kwargs: give a list of {len(ids)} mappings, one for each entry of instruction_id_list"
        )
    return [
        (name, _bind(name, index, arguments))
        for index, (name, arguments) in enumerate(zip(ids, kwargs, strict=True))
    ]


def _bind(name: Any, index: int, arguments: Any) -> Callable[[str], bool]:
    if not isinstance(name, str) or name not in KINDS:
        raise ValueError(
            f"instruction_id_list[{index}]: {name!r} is unknown; rewards.ifeval.kinds.KINDS has the"
            f" {len(KINDS)} known ids"
        )
    if arguments is not None and not isinstance(arguments, Mapping):
        raise ValueError(f"kwargs[{index}]: a mapping is needed, not {type(arguments).__name__}")
    given = {key: value for key, value in (arguments or {}).items() if value is not None}
    for key, parameter in _parameters(name).items():
        if key not in given:
            raise ValueError(f"kwargs[{index}]: {name} needs {key}")
        if not _fits(given[key], parameter.annotation):
            raise ValueError(
                f"kwargs[{index}].{key}: {given[key]!r} does not fit; {name} takes"
                f" {_spoken(parameter.annotation)}"
            )
    unknown = given.keys() - _parameters(name).keys()
    if unknown:
        raise ValueError(
            f"kwargs[{index}]: {name} does not take {sorted(unknown)}; it takes {sorted(_parameters(name))}"
        )
    return partial(KINDS[name], **given)


def _parameters(name: str) -> dict[str, inspect.Parameter]:
    signature = inspect.signature(KINDS[name])
    return {key: p for key, p in signature.parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _fits(value: Any, annotation: Any) -> bool:
    if annotation is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if annotation is str:
        return isinstance(value, str)
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _spoken(annotation: Any) -> str:
    return {float: "a number", str: "a string"}.get(annotation, "a list of strings")
