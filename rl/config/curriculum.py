"""The curriculum section: one slot for each kind of decision, so that composed presets never overwrite each
other."""

from typing import Any

from pydantic import Field

from rl.config.base import Section


class PartConfig(Section):
    """A curriculum part by name, with its arguments."""

    name: str
    """Key of ``curricula.CURRICULA``, or your own: ``path/to/file.py:attr``, ``pkg.module:attr``."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Checked by the part itself, before any actor starts."""


class CurriculumConfig(Section):
    """Which parts decide what; a slot left None is neutral: every prompt once per epoch, equal groups, every
    group trains."""

    name: str = "uniform"
    """Name of the preset, for the log."""
    discount: float = Field(default=0.9, gt=0, le=1)
    """Statistics of policy version v weigh ``discount ** (now - v)``; 1 never forgets."""
    budget_discount: float = Field(default=0.5, gt=0, le=1)
    """Statistics from before the length budget halved weigh this, from before it halved twice its square; 1
    never forgets."""
    sampler: PartConfig | None = None
    """Which prompts come next (default ``uniform``)."""
    category: PartConfig | None = None
    """Weights of the categories; prompts are then drawn by weight instead of in the sampler's order."""
    prompts: PartConfig | None = None
    """Weights of the prompts, likewise."""
    skip: PartConfig | None = None
    """Which prompts to pass over before any rollout."""
    allocator: PartConfig | None = None
    """How many rollouts each prompt gets (default ``equal``)."""
    length: PartConfig | None = None
    """How many tokens a completion may take (default: the rollout section's)."""
    shape: PartConfig | None = None
    """Reward components added to the reward."""
    verdict: PartConfig | None = None
    """Which finished groups reach the optimiser (default: all)."""
    downsample: PartConfig | None = None
    """Which rollouts of those groups (default: all)."""
