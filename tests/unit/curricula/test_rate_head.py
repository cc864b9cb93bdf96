"""The value head's regression, and the signals it reads."""

import json

import numpy as np
import pytest

from curricula.measures.prompt_signals import PromptSignals
from curricula.prompts.rate_head import WIDTH, RateHead, reduced


def world(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features with a large common part, as hidden states have, and rates that are linear in them."""
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((n, d)) + 5.0
    return x, np.clip(0.5 + 0.1 * (x[:, 0] - 5.0) - 0.1 * (x[:, 1] - 5.0), 0, 1)


def test_one_update_is_ridge_regression_on_standardised_features() -> None:
    x, y = world(40, 3)
    head = RateHead(ridge=2.0)
    head.update(x, y)
    standard = (x - x.mean(0)) / x.std(0)
    slope = np.linalg.solve(standard.T @ standard + 2.0 * 3 * np.eye(3), standard.T @ (y - y.mean()))
    assert head.predict(x) == pytest.approx(np.clip(y.mean() + standard @ slope, 0, 1), abs=1e-9)


def test_by_hand_in_one_dimension() -> None:
    """x = -1, 1 and y = .25, .75: mean .5, slope .5 / (2 + ridge) of the standardised x."""
    head = RateHead(ridge=2.0)
    head.update(np.array([[-1.0], [1.0]]), np.array([0.25, 0.75]))
    assert head.predict(np.array([[-1.0], [0.0], [1.0], [40.0]])) == pytest.approx([0.375, 0.5, 0.625, 1.0])


def test_prompts_never_seen_are_judged_by_the_ones_like_them() -> None:
    head = RateHead()
    for seed in range(6):
        head.update(*world(32, 8, seed))
    x, y = world(200, 8, seed=99)
    assert np.abs(head.predict(x) - y).mean() < 0.02
    assert np.abs(y - y.mean()).mean() > 0.08


def test_what_was_learnt_fades() -> None:
    keeps, fades = RateHead(discount=1.0), RateHead(discount=0.5)
    x, y = world(64, 4)
    for head in (keeps, fades):
        head.update(x, y)
        for _ in range(4):
            head.update(x, 1 - y)
    assert np.abs(fades.predict(x) - (1 - y)).mean() < np.abs(keeps.predict(x) - (1 - y)).mean() / 2


def test_a_feature_that_never_varied_says_nothing() -> None:
    x, y = world(32, 3)
    x[:, 2] = 7.0
    head = RateHead()
    head.update(x, y)
    moved = x.copy()
    moved[:, 2] += 0.01
    assert head.predict(moved) == pytest.approx(head.predict(x), abs=1e-6)


def test_before_the_first_update_it_claims_nothing_and_widths_must_agree() -> None:
    head = RateHead()
    assert head.predict(np.ones((2, 5))).tolist() == [0.5, 0.5] and not head.fitted
    head.update(np.ones((2, 5)), np.array([0.0, 1.0]))
    assert head.predict(np.ones((1, 5))) == pytest.approx([0.5])
    with pytest.raises(ValueError, match="width 4 after 5"):
        head.update(np.ones((2, 4)), np.array([0.0, 1.0]))


def test_wide_states_are_projected_the_same_way_every_time_and_keep_their_distances() -> None:
    x = np.random.default_rng(0).standard_normal((20, 1000))
    small = reduced(x)
    assert small.shape == (20, WIDTH) and (small == reduced(x.copy())).all()
    ratio = np.linalg.norm(small[1:] - small[0], axis=1) / np.linalg.norm(x[1:] - x[0], axis=1)
    assert abs(ratio - 1).max() < 0.25


def test_state_survives_json_to_the_bit() -> None:
    x, y = world(32, 6)
    head, again = RateHead(), RateHead()
    head.update(x, y)
    again.load_state_dict(json.loads(json.dumps(head.state_dict())))
    head.update(x[::-1], y)
    again.update(x[::-1], y)
    assert (head.predict(x) == again.predict(x)).all()


def test_signals_are_found_by_prompt_and_survive_json() -> None:
    signals = PromptSignals(
        version=3, indices=np.array([2, 5, 9]), columns={"intra": np.array([0.2, 0.5, 0.9])}
    )
    assert signals.columns["intra"][signals.rows(np.array([9, 2, 9]))].tolist() == [0.9, 0.2, 0.9]
    again = PromptSignals.from_state(json.loads(json.dumps(signals.state_dict())))
    assert (
        again.version == 3
        and again.rows(np.array([5])).tolist() == [1]
        and again.columns["intra"].tolist() == [0.2, 0.5, 0.9]
    )
    with pytest.raises(ValueError, match="wanted_signals"):
        signals.rows(np.array([10]))
