"""``t2rl config --explain``: every field with its type, default, value and where that was set, in the
schema's own words."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from omegaconf import OmegaConf
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rl.config.choice import OWN_CODE_FORM, Choice, OwnCode, names_of
from rl.config.compose import PACKAGED, config_groups
from rl.config.errors import ConfigError
from rl.config.fields import explain_unknown, sections_of
from rl.config.types_in_words import type_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One field, or one section."""

    path: str
    kind: str
    """Type in words; ``section`` for one."""
    default: str
    text: str
    """Its docstring, on one line."""
    choices: tuple[str, ...] = ()
    """Plug-ins or presets that may be named there."""
    read_by: tuple[str, ...] = ()
    """Names of the choices that read it, where not every choice of its section does."""


def explain(root: type[BaseModel], target: str) -> list[Explained]:
    """The field or section at the dotted ``target`` ('' is everything) and all below it, in the schema's
    order.

    Raises:
        ConfigError: There is no such field, with the nearest name.
    """
    problem = explain_unknown(root, target.split(".")) if target else None
    if problem:
        raise ConfigError(problem)
    found = [item for item in _walk(root, "") if _within(item.path, target)]
    if not found:
        raise ConfigError(
            f"{target}: a value of its own kind, without fields; ask for {target.rpartition('.')[0]}"
        )
    return found


def _within(path: str, target: str) -> bool:
    return not target or path == target or path.startswith(f"{target}.")


def _walk(section: type[BaseModel], prefix: str) -> Iterator[Explained]:
    for name, info in section.model_fields.items():
        path = f"{prefix}{name}"
        below = sections_of(info.annotation)
        text = " ".join((info.description or "").split())
        kinds = [kind for kind in below if issubclass(kind, Choice)]
        if kinds:
            yield from _walk_choice(path, kinds, info, text)
            continue
        if not below:
            yield Explained(
                path=path, kind=type_of(info), default=_default(info), text=text, choices=_plug_ins(path)
            )
        for kind in below:
            summary = _summary(kind)
            label = (
                f"section, {path}.kind={kind.model_fields['kind'].default}" if len(below) > 1 else "section"
            )
            default = "null" if info.default is None else ""
            yield Explained(
                path=path, kind=label, default=default, text=text or summary, choices=_presets(path)
            )
            yield from _walk(kind, f"{path}.")


def _walk_choice(path: str, kinds: list[type[Choice]], info: FieldInfo, text: str) -> Iterator[Explained]:
    """The choice, then every setting below it once, with the choices that read it."""
    names = [*(name for kind in kinds for name in names_of(kind))]
    own = any(issubclass(kind, OwnCode) for kind in kinds)
    said = [f"{' | '.join(names_of(kind))}: {_summary(kind)}" for kind in kinds if names_of(kind)]
    default = info.default.name if isinstance(info.default, Choice) else "required"
    shown = " | ".join([*names, *([OWN_CODE_FORM] if own else [])])
    yield Explained(path=path, kind=shown, default=default, text=" ".join([text, *said]))
    seen: set[str] = set()
    for kind in kinds:
        for item in _walk(kind, f"{path}."):
            field = item.path.removeprefix(f"{path}.").partition(".")[0]
            if field != "name" and item.path not in seen:
                yield replace(item, read_by=item.read_by or _readers(kinds, field))
            seen.add(item.path)


def _readers(kinds: list[type[Choice]], field: str) -> tuple[str, ...]:
    """Names of the choices that read a field; () if all do."""
    reading = [kind for kind in kinds if field in kind.model_fields]
    names = tuple(name for kind in reading for name in names_of(kind) or (OWN_CODE_FORM,))
    return () if len(reading) == len(kinds) else names


def _summary(section: type[BaseModel]) -> str:
    return " ".join((section.__doc__ or "").split())


def _default(info: FieldInfo) -> str:
    if info.default_factory is not None:
        return json.dumps(info.default_factory(), default=str)  # type: ignore[call-arg]
    return "required" if info.default is PydanticUndefined else plain(info.default)


def plain(value: Any) -> str:
    """As one would write it on the command line."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str):
        return value or "''"
    return json.dumps(value, default=list)


def _presets(path: str) -> tuple[str, ...]:
    return tuple(f"{path}={preset}" for preset in sorted(config_groups().get(path, ())))


def _plug_ins(path: str) -> tuple[str, ...]:
    """Names that a registry knows for the field; a name of one's own is ``pkg.module:attr``."""
    if path == "task.reward":
        from rewards import REWARDS

        return tuple(sorted(REWARDS))
    if path == "algorithm.shaping":
        from rl.config.shaping_names import SHAPING_ARGS

        return tuple(sorted(SHAPING_ARGS))
    parts = path.split(".")
    if parts[0] == "curriculum" and len(parts) == 3 and parts[2] == "name":
        return _in_presets(parts[1])
    return ()


@cache
def _in_presets(slot: str) -> tuple[str, ...]:
    """Parts that the shipped curriculum presets put into a slot."""
    parts = (
        OmegaConf.select(OmegaConf.load(file), f"{slot}.name")
        for file in (PACKAGED / "curriculum").glob("*.yaml")
    )
    other = (
        OmegaConf.select(OmegaConf.load(file), f"curriculum.{slot}.name")
        for file in (PACKAGED / "curriculum").glob("*.yaml")
    )
    return tuple(sorted({str(name) for name in (*parts, *other) if name is not None}))
