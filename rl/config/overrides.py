"""Read what the user typed after the config name: parsed by Hydra's grammar, checked against our fields,
reworded for the composer."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType, QuotedString
from hydra.errors import HydraException

from rl.config.errors import ConfigError, listed, suggest
from rl.config.fields import choices_at, default_choice, explain_unknown
from rl.config.resume import SHORTHANDS

if TYPE_CHECKING:
    from pydantic import BaseModel

STACKED = "curriculum"
"""The group whose presets stack: ``curriculum=sec+knapsack`` is ``curriculum=[sec,knapsack]``."""
MIXED = "task"
"""The group whose presets become the parts of a mixture: ``task=[gsm8k,tiny]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One override, ready for the composer."""

    text: str
    """Hydra's spelling."""
    group: str | None = None
    """Config group it selects from; None for a value."""
    presets: tuple[str, ...] = ()
    """Names selected, groups only."""
    chooses: str = ""
    """Path at which it puts a choice (:mod:`rl.config.choice`), '' for all others."""
    source: str = "command line"
    """Who asks for it, for ``t2rl config --explain``."""


def spell(value: Any) -> str:
    """A value as the right side of an override: JSON, but for the keys of mappings, which Hydra's grammar
    wants bare."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{spell(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(spell, value))}]"
    return json.dumps(value)


def parse_overrides(
    overrides: list[str], *, groups: dict[str, set[str]], root: "type[BaseModel]"
) -> list[Override]:
    """Check every override; ``groups`` is group -> preset names on the search path.

    Raises:
        ConfigError: Not ``key=value``, no such field, no such preset.
    """
    parsed = _choices_first([override for text in overrides for override in _parse(text, groups, root)])
    names = [Override(text=f'++{STACKED}.name="{"+".join(o.presets)}"') for o in parsed if o.group == STACKED]
    return [*names, *parsed]


def chosen(path: str, name: str, source: str = "command line") -> list[Override]:
    """Put a choice with its defaults at a path, in place of whatever stands there: the plain word replaces
    a mapping, which Hydra would merge with another mapping, and the mapping leaves room for settings."""
    texts = (f"++{path}={spell(name)}", f"++{path}={spell({'name': name})}")
    return [Override(text=text, chooses=path, source=source) for text in texts]


def _choices_first(overrides: list[Override]) -> list[Override]:
    """The overrides with every choice before the settings below it, so that ``schedule.phi=1 schedule=uba``
    is the same as the other way round."""
    ordered: list[Override] = []
    for override in overrides:
        below = f"++{override.chooses}."
        places = (i for i, o in enumerate(ordered) if override.chooses and o.text.startswith(below))
        ordered.insert(next(places, len(ordered)), override)
    return ordered


def _parse(text: str, groups: dict[str, set[str]], root: "type[BaseModel]") -> list[Override]:
    if "=" not in text and not text.startswith("~"):
        raise ConfigError(f"{text!r}: an override is key=value, for example learner.lr=1e-3")
    try:
        parsed = OverridesParser.create().parse_override(_split_stack(text))
    except HydraException as error:
        raise ConfigError(
            f"{text!r}: cannot read this override; quote it for the shell, and text with special characters"
            " inside"
        ) from error
    key = parsed.key_or_group
    if key.startswith("hydra"):
        raise ConfigError(f"{text!r}: Hydra's own settings are not part of a run")
    if parsed.is_sweep_override():
        raise ConfigError(
            f"{text!r}: several values are a list, {key}=[...]; runs over several settings are several"
            " commands"
        )
    value = parsed.value()
    if key in groups and _selects(value):
        selected = _select(key, value, groups[key])
        return _mixed(selected) if key == MIXED and isinstance(value, list) else [selected]
    problem = explain_unknown(root, key.split("."))
    if problem:
        raise ConfigError(problem)
    if parsed.type is OverrideType.DEL:
        return [Override(text=text)]
    line = parsed.input_line.lstrip("+")
    if key in SHORTHANDS and not isinstance(value, Mapping):
        line = f"{key}.{SHORTHANDS[key]}={line.partition('=')[2]}"
    if choices_at(root, key.split(".")) and isinstance(value, str | QuotedString):
        return chosen(key, value.text if isinstance(value, QuotedString) else value)
    return [Override(text=f"++{line}")]


def spelled_out(
    overrides: list[Override], root: "type[BaseModel]", value_at: Callable[[str], Any]
) -> list[Override]:
    """The overrides with every plain word that they add a field to in its long form: Hydra would put the
    field in place of the word.

    Args:
        overrides: in order.
        root: of the config.
        value_at: what the files alone have at a dotted path; None for nothing.
    """
    result: list[Override] = []
    known: set[str] = set()
    for override in overrides:
        for path, field, default in _words_above(override, root):
            if path not in known and not any(_sets(earlier, path, field) for earlier in result):
                value = value_at(path)
                word = default if value is None else value
                if isinstance(word, str):
                    result.append(Override(text=f"++{path}={spell({field: word})}"))
            known.add(path)
        result.append(override)
    return result


def _sets(override: Override, path: str, field: str) -> bool:
    """True if an override gives the whole of a path, or the field that a plain word there means."""
    return override.text.startswith((f"++{path}=", f"++{path}.{field}="))


def _words_above(override: Override, root: "type[BaseModel]") -> Iterator[tuple[str, str, str | None]]:
    """(path, field, default) of every place above an override's field that a plain word may stand at."""
    if override.group is not None or not override.text.startswith("++"):
        return
    parts = override.text[2:].partition("=")[0].split(".")
    for length in range(1, len(parts)):
        path = ".".join(parts[:length])
        if path in SHORTHANDS:
            yield path, SHORTHANDS[path], None
        elif choices_at(root, parts[:length]) and parts[length] != "name":
            yield path, "name", default_choice(root, parts[:length])


def _split_stack(text: str) -> str:
    key, _, value = text.partition("=")
    if key.lstrip("+") == STACKED and "+" in value and value[0] not in "[{\"'":
        return f"{key}=[{','.join(part.strip() for part in value.split('+'))}]"
    return text


def _selects(value: Any) -> bool:
    """True if it names presets (a mapping is a value: ``task={kind: file, ...}``)."""
    return isinstance(value, str | QuotedString) or (
        isinstance(value, list) and all(isinstance(v, str | QuotedString) for v in value)
    )


def _select(group: str, value: Any, presets: set[str]) -> Override:
    names = tuple(
        str(v.text if isinstance(v, QuotedString) else v)
        for v in (value if isinstance(value, list) else [value])
    )
    if len(names) > 1 and group not in (STACKED, MIXED):
        raise ConfigError(
            f"{group}={value}: only {STACKED} presets stack, and only {MIXED} presets mix; name one of:"
            f" {listed(presets)}"
        )
    for name in names:
        if name not in presets:
            raise ConfigError(
                f"{group}={name}: no such preset.{suggest(name, presets)} Choices: {listed(presets)}"
            )
    if len(set(names)) < len(names) and group == MIXED:
        raise ConfigError(f"{group}={value}: a part of a mixture is named by its preset, so each comes once")
    spelled = f"[{','.join(names)}]" if isinstance(value, list) else names[0]
    return Override(text=f"{group}={spelled}", group=group, presets=names)


def _mixed(selected: Override) -> list[Override]:
    """The empty mixture, and every preset as a part of it under its own name."""
    parts = [
        Override(text=f"+{MIXED}@{MIXED}.parts.{name}={name}", group=f"{MIXED}@{MIXED}.parts.{name}")
        for name in selected.presets
    ]
    return [Override(text=f"{MIXED}=mixture", group=MIXED, presets=("mixture",)), *parts]
