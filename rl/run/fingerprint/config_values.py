"""The settings of a run that make it what it is, flat."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from rl.config.choice import Choice
from rl.records.jsonl import plain
from rl.run.fingerprint.config_fields import is_identity

SET = "set"
"""Value of a section that may be None and is not; its fields follow under their own paths."""


def identity_values(config: BaseModel) -> dict[str, Any]:
    """Dotted path -> value in JSON's types, of every field that a resume compares."""
    return {path: value for path, value, _ in _leaves(config) if is_identity(path)}


def identity_defaults(config: BaseModel) -> set[str]:
    """Those paths whose value is the field's default: where an older T2RL had no such field, nothing has
    changed."""
    return {path for path, _, default in _leaves(config) if default and is_identity(path)}


def _leaves(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, bool]]:
    """(path, value, whether it is the default); of a choice its name, and then what it reads."""
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if name == "name" and isinstance(section, Choice):
            continue
        if isinstance(value, Choice):
            default = info.default
            yield prefix + name, value.name, isinstance(default, Choice) and default.name == value.name
            yield from _leaves(value, f"{prefix}{name}.")
        elif isinstance(value, Mapping) and any(isinstance(part, BaseModel) for part in value.values()):
            for key, part in value.items():
                yield from _leaves(part, f"{prefix}{name}.{key}.")
        elif isinstance(value, BaseModel):
            if type(None) in get_args(info.annotation):
                yield prefix + name, SET, False
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            default = not info.is_required() and value == info.get_default(call_default_factory=True)
            yield prefix + name, _plain(value), default


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else plain(value)
