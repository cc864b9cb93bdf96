"""Hydra's compose API behind one function: a config name or a YAML file, plus overrides, to a plain
dictionary."""

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import configs
from rl.config.errors import ConfigError, listed, suggest
from rl.config.overrides import Override

PACKAGED = Path(configs.__file__).parent
"""The configs that ship with T2RL; a user's file may build on them, and its own folder comes first."""
NOT_GROUPS = {"bases"}
"""Folders of files that are no part of a run's config."""


def find_config(name_or_file: str) -> tuple[Path, str]:
    """(folder, name) of a shipped config or of the user's YAML file.

    Raises:
        ConfigError: Neither exists.
    """
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise ConfigError(f"{name_or_file}: no such file")
        return path.resolve().parent, path.name
    names = run_names()
    if name_or_file not in names:
        raise ConfigError(
            f"{name_or_file}: no such config.{suggest(name_or_file, names)} Choices: {listed(names)}, or a"
            " YAML file"
        )
    return PACKAGED, name_or_file


def run_names() -> list[str]:
    """Whole runs that ship."""
    return sorted(path.stem for path in PACKAGED.glob("*.yaml"))


def config_groups(folder: Path = PACKAGED) -> dict[str, set[str]]:
    """Group -> preset names, over the shipped folder and the user's."""
    groups: dict[str, set[str]] = {}
    for shipped in PACKAGED.iterdir():
        if shipped.is_dir() and not shipped.name.startswith(("_", ".")) and shipped.name not in NOT_GROUPS:
            files = [*shipped.glob("*.yaml"), *(folder / shipped.name).glob("*.yaml")]
            groups[shipped.name] = {file.stem for file in files}
    return groups


def compose_dict(folder: Path, name: str, overrides: list[Override]) -> dict[str, Any]:
    """The composed tree, interpolations resolved, not validated; values left to the user are ``???``.

    Raises:
        ConfigError: Hydra or OmegaConf refuses; two stacked presets fill the same slot.
    """
    for override in overrides:
        refuse_shared_slots(folder, override)
    presets = [override.text for override in overrides if override.group is not None]
    values = [override.text for override in overrides if override.group is None]
    if folder != PACKAGED:
        presets.append(f'hydra.searchpath=["file://{PACKAGED}"]')
    return _compose_adding(folder, name, presets, values)


def peek(folder: Path, name: str, *keys: str) -> list[Any]:
    """The values of some keys of a config as it stands, without overrides; None where it has none.

    Raises:
        ConfigError: Hydra or OmegaConf refuses the file.
    """
    try:
        texts = [] if folder == PACKAGED else [f'hydra.searchpath=["file://{PACKAGED}"]']
        composed = _hydra(folder, name, texts)
        return [OmegaConf.select(composed, key) for key in keys]
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(f"{name}: {_first_line(error)}") from error


def _compose_adding(folder: Path, name: str, presets: list[str], values: list[str]) -> dict[str, Any]:
    """Compose; a preset of a group that the file's defaults do not mention is added to them, and so is a
    value that no file has."""
    try:
        return _compose(folder, name, presets, values)
    except ConfigCompositionException as error:
        said = str(error)
        unmatched = {t for t in (*presets, *values) if f"Could not override '{t.partition('=')[0]}'" in said}
        if not unmatched:
            raise ConfigError(_first_line(error)) from error
    added = [[f"+{text}" if text in unmatched else text for text in texts] for texts in (presets, values)]
    return _compose_adding(folder, name, *added)


def _compose(folder: Path, name: str, presets: list[str], values: list[str]) -> dict[str, Any]:
    try:
        composed = _hydra(folder, name, presets)
        if values:
            composed = deepcopy(composed)
            parsed = OverridesParser.create().parse_overrides(values)
            # As Hydra's own compose does, which reads every file anew for each set of values.
            ConfigLoaderImpl._apply_overrides_to_config(parsed, composed)
        tree = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
        return cast("dict[str, Any]", tree)
    except ConfigCompositionException:
        raise
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(f"{name}: {_first_line(error)}") from error


def _hydra(folder: Path, name: str, texts: list[str]) -> DictConfig:
    """Hydra's composition, not to be changed. What ships stays as it is, so that is composed once."""
    return _shipped(name, tuple(texts)) if folder == PACKAGED else _compose_now(folder, name, tuple(texts))


@lru_cache(maxsize=512)
def _shipped(name: str, texts: tuple[str, ...]) -> DictConfig:
    return _compose_now(PACKAGED, name, texts)


def _compose_now(folder: Path, name: str, texts: tuple[str, ...]) -> DictConfig:
    with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
        return compose(config_name=name, overrides=list(texts))


def _first_line(error: Exception) -> str:
    """Hydra's messages go on about its search path; what is wrong stands in the first lines."""
    return (
        str(error)
        .split("\nConfig search path", 1)[0]
        .split("\nTo append", 1)[0]
        .strip()
        .replace("\n\n", " ")
        .replace("\n\t", " ")
    )


def refuse_shared_slots(folder: Path, override: Override) -> None:
    """Presets that set the same key differently do not stack: Hydra would keep the last one without a word.

    Raises:
        ConfigError: Naming both presets and the key.
    """
    owners: dict[str, tuple[str, Any]] = {}
    for preset in override.presets if len(override.presets) > 1 else ():
        own, shipped = (root / str(override.group) / f"{preset}.yaml" for root in (folder, PACKAGED))
        file = own if own.is_file() else shipped
        content = cast("dict[str, Any]", OmegaConf.to_container(OmegaConf.load(file)))
        whole_tree = file.read_text(encoding="utf-8").startswith("# @package _global_")
        for key, value in _leaves(content, "" if whole_tree else f"{override.group}."):
            other, other_value = owners.setdefault(key, (preset, value))
            if other_value != value and key != f"{override.group}.name":
                raise ConfigError(
                    f"{override.group}={'+'.join(override.presets)}: {other} and {preset} both set {key}"
                    f" ({other_value!r}, {value!r}); stack presets that fill different slots, or set the key"
                    " after them"
                )


def _leaves(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in tree.items():
        pairs += _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return pairs
