"""From a config name or file, with overrides, to a validated :class:`~rl.config.schema.Config`, and back to YAML.

Example::

    config = load_config("quickstart", ["learner.lr=1e-3", "curriculum=uniform+knapsack"])
"""

from typing import Any

from omegaconf import OmegaConf
from pydantic import ValidationError

from rl.config.compose import compose_dict, config_groups, find_config
from rl.config.errors import ConfigError, listed
from rl.config.fields import explain_unknown, without_tags
from rl.config.overrides import parse_overrides
from rl.config.schema import Config

__all__ = ["ConfigError", "dump_config", "load_config", "validate"]


def load_config(name_or_file: str, overrides: list[str] | None = None) -> Config:
    """Compose and validate.

    Args:
        name_or_file: A shipped config (``quickstart``) or the path of a YAML file, which may start from a shipped one with
            ``defaults: [quickstart, _self_]``.
        overrides: ``section.field=value`` or ``group=preset``, later ones win.

    Raises:
        ConfigError: Anything wrong, in words that name the field and the fix.
    """
    folder, name = find_config(name_or_file)
    parsed = parse_overrides(list(overrides or []), groups=config_groups(folder), root=Config)
    return validate(compose_dict(folder, name, parsed))


def validate(tree: dict[str, Any]) -> Config:
    """A plain dictionary to a frozen config.

    Raises:
        ConfigError: One line for each thing that is wrong.
    """
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        lines = [_reword(dict(detail)) for detail in error.errors(include_url=False)]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error


def dump_config(config: Config) -> str:
    """The resolved tree as YAML; loading it gives an equal config."""
    return OmegaConf.to_yaml(OmegaConf.create(config.model_dump(mode="json")))


def _reword(detail: dict[str, Any]) -> str:
    """One pydantic error in our words."""
    parts = without_tags(Config, [str(part) for part in detail["loc"]])
    field, kind, context = ".".join(parts), detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return explain_unknown(Config, parts) or f"{field}: no field of this kind of {parts[0]}"
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
