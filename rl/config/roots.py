"""Which command a config is for: its ``stage`` names the tree that it must fit; without one it is a run of
``t2rl train``."""

from rl.config.compose import find_config, peek
from rl.config.schema import Config
from rl.config.stages import DpoConfig, SftConfig

Root = type[Config] | type[SftConfig] | type[DpoConfig]

ROOTS: dict[str, Root] = {"train": Config, "sft": SftConfig, "dpo": DpoConfig}
"""Command -> the root of its configs."""


def root_of(name_or_file: str) -> Root:
    """The root that a config asks for; an unknown ``stage`` is left to the checks of :class:`Config`, which
    has none.

    Raises:
        ConfigError: There is no such config, or it cannot be composed.
    """
    folder, name = find_config(name_or_file)
    (stage,) = peek(folder, name, "stage")
    return ROOTS.get(str(stage), Config)
