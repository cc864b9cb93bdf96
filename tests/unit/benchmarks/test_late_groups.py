"""Claims about late groups, on made figures."""

import numpy as np
import pytest

from benchmarks.learning import late_groups


def test_claims_go_by_the_intervals_over_seeds() -> None:
    rng = np.random.default_rng(0)
    problems = rng.random(200)

    def arm(lengths: tuple[float, float, float], gain: float = 0.0) -> list[dict[str, object]]:
        return [{"early_length": length, "pass@1": problems + gain} for length in lengths]

    found = {
        "none": arm((10.0, 11.0, 10.5)),
        "dropped": arm((8.6, 9.3, 9.1)),
        "none, bound 2": arm((10.0, 11.0, 10.5)),
        "joined": arm((9.95, 11.05, 10.5), gain=0.01),
    }
    compared = late_groups.compare(found)
    # -.14, -.1545, -.1333: mean -.1426, s = .0108, t(2) = 4.303, half = 4.303 s / sqrt(3)
    assert compared["dropped"]["length_change"] == pytest.approx(
        {"mean": -0.1426, "low": -0.1695, "high": -0.1157}, abs=2e-4
    )
    assert {name: claim["passed"] for name, claim in late_groups.claims(compared).items()} == {
        "joined_lengths_alike": True,
        "dropped_shortens": True,
        "pass_alike": True,
    }
    found["dropped"] = arm((8.6, 11.3, 10.4), gain=-0.05)
    again = late_groups.claims(late_groups.compare(found))
    assert not again["dropped_shortens"]["passed"] and not again["pass_alike"]["passed"]
