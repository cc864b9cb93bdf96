"""The models of a learner rank."""

from dataclasses import dataclass
from typing import Any

from rl.learner.critic import SeparateCritic
from rl.learner.reference import ReferencePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The models that a rank trains, and the one that it asks."""

    engine: Any
    """DeepSpeed's, around the policy."""
    critic: SeparateCritic | None
    reference: ReferencePolicy | None
