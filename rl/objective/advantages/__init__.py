"""Advantage estimators: ``(rewards [S], segment_ids [S]) -> [S]``. A new one is one file and one line here.

The output goes to the tokens of a sample unchanged; an estimator that gives each token its own value (GAE with a critic) will fill
``TokenInputs.advantages`` directly, which is why that field is per token.
"""

from collections.abc import Callable

from rl.objective.advantages.dr_grpo import dr_grpo
from rl.objective.advantages.grpo import grpo
from rl.objective.shapes import PerSample, SegmentIds

AdvantageFunction = Callable[[PerSample, SegmentIds], PerSample]

ADVANTAGES: dict[str, AdvantageFunction] = {"grpo": grpo, "dr_grpo": dr_grpo}
