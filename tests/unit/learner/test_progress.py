"""What a rank's progress keeps over a resume."""

import pytest

from rl.config.algorithm import AdaptiveKlConfig, KlConfig
from rl.learner.context import Progress

ADAPTIVE = KlConfig(coefficient=0.1, adaptive=AdaptiveKlConfig(target=0.05))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (ADAPTIVE, ADAPTIVE, 0.3),
        (ADAPTIVE, ADAPTIVE.model_copy(update={"coefficient": 0.2}), 0.2),
        (KlConfig(coefficient=0.1), KlConfig(coefficient=0.2), 0.2),
        (ADAPTIVE, KlConfig(coefficient=0.1), 0.1),
        (None, ADAPTIVE, 0.1),
        (ADAPTIVE, None, 0.0),
    ],
)
def test_a_kl_coefficient_is_the_configs_but_for_what_adapted_it(
    before: KlConfig | None, now: KlConfig | None, expected: float
) -> None:
    adapted = Progress(kl_coefficient=0.0 if before is None else 0.3, batches=7)
    restored = Progress(kl_coefficient=0.0 if now is None else now.coefficient)
    restored.restore(adapted.saved(before), now)
    assert (restored.kl_coefficient, restored.batches) == (expected, 7)


def test_a_checkpoint_from_before_the_configured_one_was_kept_is_taken_as_unchanged() -> None:
    restored = Progress(kl_coefficient=0.1)
    restored.restore({"kl_coefficient": 0.3, "batches": 7}, ADAPTIVE)
    assert restored.kl_coefficient == 0.3
