"""Which file or override set each value of a composed config."""

from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from rl.config.compose import PACKAGED
from rl.config.overrides import Override


def sources(folder: Path, name: str, overrides: list[Override]) -> dict[str, str]:
    """Dotted field -> ``learner/cpu.yaml``, the config's own file, or ``command line``; fields at their
    default are left out.

    Overrides are the ones that :func:`rl.config.compose.compose_dict` takes, after it accepted them.
    """
    texts = [o.text for o in overrides if o.group is not None]
    if folder != PACKAGED:
        texts.append(f'hydra.searchpath=["file://{PACKAGED}"]')
    found: dict[str, str] = {}
    with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        defaults = loader.compute_defaults_list(config_name=name, overrides=texts, run_mode=RunMode.RUN)
    for element in defaults.defaults:
        path = element.config_path
        if path is None or path.startswith(("hydra/", "_dummy")):
            continue
        file = next(
            (f for f in (folder / f"{path}.yaml", folder / path, PACKAGED / f"{path}.yaml") if f.is_file()),
            None,
        )
        if file is not None:
            content: Any = OmegaConf.to_container(OmegaConf.load(file))
            content.pop("defaults", None)
            package = element.package or ""
            label = str(file.relative_to(PACKAGED)) if file.is_relative_to(PACKAGED) else file.name
            found |= dict.fromkeys(_leaves(content, f"{package}." if package else ""), label)
    for override in overrides:
        if override.group is None:
            found[override.text.lstrip("+~").partition("=")[0]] = override.source
    return found


def _leaves(content: dict[str, Any], prefix: str) -> list[str]:
    """Dotted names of everything that a file sets; a mapping counts itself too, since a field may be one."""
    names = []
    for key, value in content.items():
        names.append(f"{prefix}{key}")
        if isinstance(value, dict):
            names += _leaves(value, f"{prefix}{key}.")
    return names
