"""From a config name or file, with overrides, to a validated :class:`~rl.config.schema.Config`, and back to YAML.

Example::

    config = load_config("quickstart", ["learner.lr=1e-3", "curriculum=uniform+knapsack"])
"""

from typing import Any, TypeVar

from omegaconf import OmegaConf
from pydantic import BaseModel, ValidationError

from rl.config.compose import compose_dict, config_groups, find_config, peek
from rl.config.errors import ConfigError, listed
from rl.config.fields import explain_unknown, without_tags
from rl.config.overrides import parse_overrides
from rl.config.schema import Config

__all__ = ["ConfigError", "dump_config", "load_as", "load_config", "validate"]

Root = TypeVar("Root", bound=BaseModel)


def load_config(name_or_file: str, overrides: list[str] | None = None) -> Config:
    """Compose and validate.

    Args:
        name_or_file: A shipped config (``quickstart``) or the path of a YAML file, which may start from a shipped one with
            ``defaults: [quickstart, _self_]``.
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
    folder, name = find_config(name_or_file)
    command = _command(root)
    meant = peek(folder, name, "stage") or "train"
    if meant != command:
        raise ConfigError(f"{name_or_file} is a config of t2rl {meant}, not of t2rl {command}; run: t2rl {meant} {name_or_file}")
    parsed = parse_overrides(list(overrides or []), groups=config_groups(folder), root=root)
    return _validate(root, compose_dict(folder, name, parsed))


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
    try:
        return root.model_validate(tree)
    except ValidationError as error:
        lines = [_reword(dict(detail), root) for detail in error.errors(include_url=False)]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error


def dump_config(config: BaseModel) -> str:
    """The resolved tree as YAML; loading it gives an equal config."""
    return OmegaConf.to_yaml(OmegaConf.create(config.model_dump(mode="json")))


def _reword(detail: dict[str, Any], root: type[BaseModel]) -> str:
    """One pydantic error in our words."""
    parts = without_tags(root, [str(part) for part in detail["loc"]])
    field, kind, context = ".".join(parts), detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return explain_unknown(root, parts) or f"{field}: no field of this kind of {parts[0]}"
    if kind == "missing":
        return f"{field}: missing; set {field}=..., or choose a preset of its group (t2rl config NAME shows the tree)"
    if kind == "union_tag_invalid":
        return f"{field}.kind: {context['tag']!r} is none of {context['expected_tags'].replace(chr(39), '')}"
    if kind == "union_tag_not_found":
        return f"{field}.kind: missing; it says which kind of {field} this is"
    if kind == "value_error":
        text = str(context.get("error", detail["msg"]))
        return f"{field}: {text}" if field else text
    if kind == "literal_error":
        return f"{field}: {detail['input']!r} is none of {listed(context['expected'].replace(' or ', ', ').split(', '))}"
    hint = "; quote it to keep it text" if kind == "string_type" and isinstance(detail["input"], int | float) else ""
    return f"{field}: {detail['msg'][0].lower()}{detail['msg'][1:]} (got {detail['input']!r}){hint}"
