"""Advantages that differ from token to token: GAE, REINFORCE++ with KL, BRPO."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rl.config.algorithm import BrpoAdvantage, BudgetConfig
from rl.objective.advantages import ADVANTAGES
from rl.objective.advantages.brpo import prior, thinking_advantages
from rl.objective.samples import Tokens
from rl.objective.terms import update_terms
from rl.objective.value_loss import explained_variance, value_loss
from rollout.types import RolloutAux
from tests.unit.objective.one_update import config, samples

TWO = Tokens(
    sample=torch.tensor([0, 0, 0, 1, 1]),
    values=torch.tensor([0.5, 0.4, 0.8, 0.2, 0.1]),
    kl=torch.tensor([0.1, 0.0, 0.2, 0.0, 0.3]),
)


def gae(tokens: Tokens, rewards: list[float], **fields: object) -> tuple[torch.Tensor, torch.Tensor]:
    chosen = config(advantage={"name": "gae", "whiten": False, "lam": 0.9, "gamma": 0.5} | fields)
    got = ADVANTAGES["gae"](samples(rewards, list(range(len(rewards)))), tokens, chosen)
    assert got.returns is not None
    return got.advantages, got.returns


def test_gae_by_hand() -> None:
    """gamma 0.5, lambda 0.9; rewards 1 and 0 at the last tokens, KL taken at each.

    First sample: deltas -0.1 + 0.2 - 0.5 = -0.4; 0 + 0.4 - 0.4 = 0; 1 - 0.2 - 0.8 = 0; so only the first is
    not 0. Second: 0 + 0.05 - 0.2 = -0.15; -0.3 - 0.1 = -0.4; the first gets -0.15 - 0.45 * 0.4.
    """
    advantages, returns = gae(TWO, [1.0, 0.0])
    torch.testing.assert_close(advantages, torch.tensor([-0.4, 0.0, 0.0, -0.33, -0.4], dtype=torch.float64))
    torch.testing.assert_close(returns, advantages + TWO.values.double())


def test_gae_equals_its_definition_on_random_tokens() -> None:
    draw = np.random.default_rng(0)
    lengths = [1, 7, 3, 12]
    sample = np.repeat(np.arange(4), lengths)
    values, kl, rewards = draw.normal(size=23), draw.random(23), draw.normal(size=4)
    gamma, lam = 0.97, 0.8
    tokens = Tokens(sample=torch.from_numpy(sample), values=torch.from_numpy(values), kl=torch.from_numpy(kl))
    got, _ = gae(tokens, rewards.tolist(), gamma=gamma, lam=lam)
    start = 0
    for index, length in enumerate(lengths):
        v = np.append(values[start : start + length], 0.0)
        r = -kl[start : start + length]
        r[-1] += rewards[index]
        delta = r + gamma * v[1:] - v[:-1]
        expected = [sum((gamma * lam) ** (u - t) * delta[u] for u in range(t, length)) for t in range(length)]
        np.testing.assert_allclose(got[start : start + length], expected, atol=1e-12)
        start += length


def test_gae_with_lambda_1_is_the_return_less_the_value() -> None:
    advantages, returns = gae(TWO, [1.0, 0.0], gamma=1.0, lam=1.0)
    torch.testing.assert_close(returns, torch.tensor([0.7, 0.8, 0.8, -0.3, -0.3], dtype=torch.float64))
    torch.testing.assert_close(advantages, returns - TWO.values.double())


def test_whitening_touches_the_advantages_and_not_the_returns() -> None:
    plain, returns = gae(TWO, [1.0, 0.0])
    white, same = gae(TWO, [1.0, 0.0], whiten=True)
    torch.testing.assert_close(returns, same)
    assert white.mean().abs() < 1e-9 and white.std() == pytest.approx(1, abs=1e-6)
    assert torch.corrcoef(torch.stack([plain, white]))[0, 1] == pytest.approx(1)


def test_whitened_rewards_keep_their_mean_sign() -> None:
    plain, _ = gae(TWO, [1.0, 0.0], gamma=1.0, lam=1.0)
    rewards = torch.tensor([-0.1, 0.0, 0.8, 0.0, -0.3], dtype=torch.float64)
    _, returns = gae(TWO, [1.0, 0.0], gamma=1.0, lam=1.0, whiten_rewards=True)
    torch.testing.assert_close(returns[0], (rewards[:3].sum() / rewards.std()))
    assert plain.shape == returns.shape


def test_reinforce_pp_pays_for_the_kl_still_to_come() -> None:
    """Rewards 1 and 0; to go: 1 - .3, 1 - .2, 1 - .2, 0 - .3, 0 - .3; then standardised."""
    got = ADVANTAGES["reinforce_pp"](samples([1.0, 0.0], [0, 1]), TWO, config()).advantages
    raw = torch.tensor([0.7, 0.8, 0.8, -0.3, -0.3], dtype=torch.float64)
    torch.testing.assert_close(got, (raw - raw.mean()) / raw.std(), atol=1e-6, rtol=0)


def test_sample_estimators_take_the_whole_penalty_from_the_reward() -> None:
    """1 - .3 and 0 - .3 in one group: a mean of .2."""
    got = ADVANTAGES["dr_grpo"](samples([1.0, 0.0], [0, 0]), TWO, config()).advantages
    torch.testing.assert_close(got, torch.tensor([0.5, 0.5, 0.5, -0.5, -0.5], dtype=torch.float64))


BUDGETS = BudgetConfig(tokens=(2, 4, 6, 8))


def test_brpo_by_hand() -> None:
    scores = torch.tensor([[0, 0.5, 1, 1], [0, 0, 0.5, 0.5]], dtype=torch.float64)
    got = thinking_advantages(scores, torch.zeros(2, dtype=torch.long), BUDGETS)
    expected = [[0.1875, 0.296875, 0.229167, 0.069196], [-0.1875, -0.078125, 0.0625, 0.024554]]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)


def test_brpo_priors() -> None:
    assert prior(BUDGETS).tolist() == [0.25] * 4
    torch.testing.assert_close(
        prior(BUDGETS.model_copy(update={"prior": "linear"})),
        torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64),
    )
    assert prior(BUDGETS.model_copy(update={"prior": "last"})).tolist() == [0, 0, 0, 1]


def test_brpo_gives_each_stretch_its_own_and_answers_their_groups() -> None:
    """Two thinkings of 5 and 8 tokens, then two answers (one right) from one of them."""
    nan = float("nan")
    scores = torch.tensor([[0, 0.5, 1, 1], [0, 0, 0.5, 0.5], [nan] * 4, [nan] * 4], dtype=torch.float64)
    given = samples([0.0, 0.0, 1.0, 0.0], [0, 0, 1, 1], aux=RolloutAux(budget_scores=scores))
    tokens = Tokens(sample=torch.repeat_interleave(torch.arange(4), torch.tensor([5, 8, 2, 1])))
    got = ADVANTAGES["brpo"](given, tokens, config(advantage=BrpoAdvantage(budgets=BUDGETS))).advantages
    a, b, c = 0.1875, 0.296875, 0.229167
    torch.testing.assert_close(got[:5], torch.tensor([a, a, b, b, c], dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(got[5:7], torch.tensor([-a, -a], dtype=torch.float64))
    torch.testing.assert_close(got[11:13], torch.full((2,), 0.024554, dtype=torch.float64), atol=1e-6, rtol=0)
    assert got[13:].tolist() == [0.5, 0.5, -0.5]


def test_value_loss_by_hand() -> None:
    """Old 0, clip 0.2, target 1: at 0.1 the error is 0.9; at 0.5 the clipped value's 0.8 is larger and has no
    gradient."""
    values = torch.tensor([0.1, 0.5, -0.5], requires_grad=True)
    weights = torch.tensor([0.5, 0.25, 0.25])
    loss = value_loss(values, torch.zeros(3), torch.ones(3), weights, clip=0.2)
    assert loss.item() == pytest.approx((0.5 * 0.81 + 0.25 * 0.64 + 0.25 * 2.25) / 2)
    loss.backward()
    torch.testing.assert_close(values.grad, torch.tensor([-0.45, 0.0, -0.375]))


def test_value_loss_without_clip_is_half_the_squared_error() -> None:
    loss = value_loss(torch.tensor([2.0]), torch.zeros(1), torch.ones(1), torch.ones(1), clip=None)
    assert loss.item() == 0.5


def test_explained_variance() -> None:
    returns = torch.tensor([0.0, 1.0, 0.0, 1.0])
    assert explained_variance(returns, returns) == 1
    assert explained_variance(torch.full((4,), 0.3), returns) == pytest.approx(0)
    assert np.isnan(explained_variance(returns, torch.ones(4)))


def test_a_curriculums_own_credit_takes_the_estimators_place() -> None:
    """By place in each sample; the clip still holds."""
    rows = samples([1.0, 0.0], [0, 0])
    given = torch.tensor([[1.0, 2.0, 30.0], [-1.0, -2.0, 99.0]], dtype=torch.float64)
    chosen = config(advantage="grpo", advantage_clip=5.0)
    tokens = Tokens(sample=torch.tensor([0, 0, 0, 1, 1]))
    got = update_terms(replace(rows, aux=RolloutAux(token_advantages=given)), tokens, chosen).advantages
    assert got.tolist() == [1, 2, 5, -1, -2]
    assert update_terms(rows, tokens, chosen).advantages.tolist() != got.tolist()
