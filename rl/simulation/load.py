"""A system from its file, a shipped name or a run directory, with overrides."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from rl.config.errors import ConfigError, listed, suggest
from rl.config.load import load_as
from rl.simulation.calibrate import calibrate
from rl.simulation.spec import SystemSpec
from rl.views.run_view import is_run

PLAIN = ("note", "price_per_gpu_hour")
"""Fields of a system that are no section."""
SHIPPED = Path(__file__).with_name("systems")


def load_system(name: str, overrides: Sequence[str]) -> SystemSpec:
    """Args:
        name: A YAML file as ``t2rl simulate calibrate`` writes, a shipped system, or a run directory, which
            is calibrated on the spot.
        overrides: ``section.field=value``.

    Raises:
        ConfigError: there is no such system, or a field of it is wrong; names the field and the fix.
        ValueError: a run lacks what a calibration needs.
    """
    for override in overrides:
        section = override.partition("=")[0]
        if section in SystemSpec.model_fields and "." not in section and section not in PLAIN:
            raise ConfigError(f"{override}: {section} is a section; set a field of it, {section}.FIELD=...")
    path = Path(name)
    if path.is_dir() and is_run(path):
        return _with(calibrate([path]).spec, overrides)
    if not path.is_file():
        shipped = {file.stem: file for file in SHIPPED.glob("*.yaml")}
        if name not in shipped:
            raise ConfigError(
                f"{name}: no such system.{suggest(name, shipped)} Give a file of t2rl simulate calibrate, a"
                f" run directory, or one that ships: {listed(shipped)}"
            )
        path = shipped[name]
    return load_as(SystemSpec, str(path), list(overrides))


def system_yaml(spec: SystemSpec) -> str:
    """A file that ``load_system`` reads; the lengths of a group stand on one line."""
    tree = spec.model_dump(mode="json")
    return yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=110)


def _with(spec: SystemSpec, overrides: Sequence[str]) -> SystemSpec:
    if not overrides:
        return spec
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "system.yaml"
        file.write_text(system_yaml(spec), encoding="utf-8")
        return load_as(SystemSpec, str(file), list(overrides))
