"""From a config name or file, with overrides, to a validated :class:`~rl.config.schema.Config`, and back to
YAML.

Example::

    config = load_config("quickstart", ["learner.lr=1e-3", "curriculum=uniform+knapsack"])
"""

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from pydantic import BaseModel, ValidationError

from rl.config.cluster_words import implied
from rl.config.compose import PACKAGED, compose_dict, config_groups, find_config, peek
from rl.config.errors import ConfigError, listed
from rl.config.fields import choices_at, explain_unknown, readers, without_tags
from rl.config.missing import MARK, MissingError, marked, with_mark
from rl.config.overrides import Override, parse_overrides, spelled_out
from rl.config.saved import in_todays_form, is_of_a_run
from rl.config.schema import Config
from rl.config.shown import shown

__all__ = ["ConfigError", "dump_config", "load_as", "load_config", "preview", "validate"]

Root = TypeVar("Root", bound=BaseModel)


def load_config(name_or_file: str, overrides: list[str] | None = None) -> Config:
    """Compose and validate.

    Args:
        name_or_file: A shipped config (``quickstart``) or the path of a YAML file, which may start from a
            shipped one with ``defaults: [quickstart, _self_]``.
        overrides: ``section.field=value`` or ``group=preset``, later ones win.

    Raises:
        ConfigError: Anything wrong, in words that name the field and the fix.
    """
    return load_as(Config, name_or_file, overrides)


def load_as(root: type[Root], name_or_file: str, overrides: list[str] | None = None) -> Root:
    """The same for a config of any root (``rl.config.roots``).

    Raises:
        ConfigError: Likewise; also where the config is one of another command.
    """
    return _validate(root, _composed(root, name_or_file, overrides))


def preview(
    root: type[Root], name_or_file: str, overrides: list[str] | None = None, *, complete: bool = True
) -> tuple[str, list[str]]:
    """Return what :func:`load_as` would load, as YAML, and what is missing; a missing value stands
    there as ``???``. Not ``complete``: only what is in use (:func:`rl.config.shown.shown`).

    Raises:
        ConfigError: Something else is wrong too.
    """
    tree = _composed(root, name_or_file, overrides)
    lacking: dict[str, str] = {}
    while True:
        config, missing, wrong = _checked(root, tree)
        new = {field: text for field, text in missing.items() if field not in lacking}
        lacking = missing | lacking
        if wrong:
            raise ConfigError("\n".join(wrong))
        if config is not None:
            text = dump_config(config) if complete else OmegaConf.to_yaml(OmegaConf.create(shown(config)))
            return text, list(lacking.values())
        # A marked value that is no text, or a whole section: nothing to fill in the defaults around it.
        if not new:
            return OmegaConf.to_yaml(OmegaConf.create(tree)), list(lacking.values())
        for field in new:
            tree = with_mark(tree, field)


def explain_sources(
    root: type[BaseModel], name_or_file: str, overrides: list[str] | None = None
) -> dict[str, str]:
    """Dotted field -> the file or ``command line`` that set it, of a config that loads; fields at their
    default are left out."""
    from rl.config.provenance import sources

    return sources(*_resolved(root, name_or_file, overrides))


def _composed(root: type[BaseModel], name_or_file: str, overrides: list[str] | None) -> dict[str, Any]:
    """The tree of a config with its overrides; what a run of an earlier version kept, in today's form."""
    folder, name, parsed = _resolved(root, name_or_file, overrides)
    tree = compose_dict(folder, name, parsed)
    return in_todays_form(tree) if is_of_a_run(folder) else tree


def _resolved(
    root: type[BaseModel], name_or_file: str, overrides: list[str] | None
) -> tuple[Path, str, list[Override]]:
    """Return what the composer takes: folder, file and overrides, those included that ``cluster=`` stands
    for."""
    folder, name = find_config(name_or_file)
    command = _command(root)
    stage, place = peek(folder, name, "stage", "cluster.name")
    meant = stage or "train"
    if meant != command:
        raise ConfigError(
            f"{name_or_file} is a config of t2rl {meant}, not of t2rl {command}; run: t2rl {meant}"
            f" {name_or_file}"
        )
    parsed = parse_overrides(list(overrides or []), groups=config_groups(folder), root=root)
    cluster = next((o.presets[0] for o in parsed if o.group == "cluster"), None)
    moves = cluster not in (None, place)
    parsed = [*(implied(parsed, folder, PACKAGED, root) if moves else ()), *parsed]
    presets = [override for override in parsed if override.group is not None]
    files = cache(lambda: OmegaConf.create(compose_dict(folder, name, presets)))
    return folder, name, spelled_out(parsed, root, lambda path: OmegaConf.select(files(), path))


def _command(root: type[BaseModel]) -> str:
    """The command whose configs have this root: the default of its ``stage``, ``train`` where it has none."""
    return str(root.model_fields["stage"].default) if "stage" in root.model_fields else "train"


def validate(tree: dict[str, Any]) -> Config:
    """A plain dictionary to a frozen config.

    Raises:
        ConfigError: One line for each thing that is wrong.
    """
    return _validate(Config, tree)


def _validate(root: type[Root], tree: dict[str, Any]) -> Root:
    config, missing, wrong = _checked(root, tree)
    if config is None or missing:
        raise ConfigError("\n".join([*missing.values(), *wrong]))
    return config


def _checked(root: type[Root], tree: dict[str, Any]) -> tuple[Root | None, dict[str, str], list[str]]:
    """The config, None where it does not validate; field -> message of what its user must give; what else is
    wrong with it."""
    missing = {field: f"{field}: missing; set {field}=..." for field in marked(tree)}
    try:
        return root.model_validate(tree), missing, []
    except ValidationError as error:
        wrong = []
        details: list[dict[str, Any]] = [dict(detail) for detail in error.errors(include_url=False)]
        for detail in details:
            cause = detail.get("ctx", {}).get("error")
            field = ".".join(without_tags(root, [str(part) for part in detail["loc"]]))
            text = _reword(detail, root)
            if isinstance(cause, MissingError):
                missing[cause.field] = text
            elif detail["type"] == "missing":
                missing[field] = text
            elif detail.get("input") != MARK:
                wrong.append(text)
        return None, missing, list(dict.fromkeys(wrong))


def _unread(root: type[BaseModel], parts: list[str]) -> str:
    """A field that another choice, or another kind of section, reads."""
    field, above = ".".join(parts), ".".join(parts[:-1])
    kinds = choices_at(root, parts[:-1])
    names = readers(kinds, parts[-1])
    if not names:
        return f"{field}: no field of this kind of {parts[0]}"
    return (
        f"{field}: only {above}={'|'.join(names)} reads it; set that"
        f" ({above}={names[0]} {field}=...), or leave {field} out"
    )


def dump_config(config: BaseModel) -> str:
    """The resolved tree as YAML; loading it gives an equal config."""
    return OmegaConf.to_yaml(OmegaConf.create(config.model_dump(mode="json")))


def _reword(detail: dict[str, Any], root: type[BaseModel]) -> str:
    """One pydantic error in our words."""
    parts = without_tags(root, [str(part) for part in detail["loc"]])
    field, kind, context = ".".join(parts), detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return explain_unknown(root, parts) or _unread(root, parts)
    if kind == "missing":
        return (
            f"{field}: missing; set {field}=..., or choose a preset of its group (t2rl config NAME shows the"
            " tree)"
        )
    if kind == "union_tag_invalid":
        return f"{field}.kind: {context['tag']!r} is none of {context['expected_tags'].replace(chr(39), '')}"
    if kind == "union_tag_not_found":
        return f"{field}.kind: missing; it says which kind of {field} this is"
    if kind == "value_error":
        text = str(context.get("error", detail["msg"]))
        return f"{field}: {text}" if field else text
    if kind == "literal_error":
        return (
            f"{field}: {detail['input']!r} is none of"
            f" {listed(context['expected'].replace(' or ', ', ').split(', '))}"
        )
    hint = (
        "; quote it to keep it text"
        if kind == "string_type" and isinstance(detail["input"], int | float)
        else ""
    )
    return f"{field}: {detail['msg'][0].lower()}{detail['msg'][1:]} (got {detail['input']!r}){hint}"
