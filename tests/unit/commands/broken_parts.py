"""Parts of an objective and a learner, as a user might write them; each breaks a check of its contract."""

import itertools
from typing import Any

import torch
from torch import nn

from rl.objective.advantages import every_token
from rl.objective.advantages.estimate import Estimate
from rl.objective.likelihood import Likelihood
from rl.objective.segments import segment_mean, segment_varies

_CALLS = itertools.count()


def _centred(samples: Any) -> torch.Tensor:
    values = samples.rewards.double()
    centred = values - segment_mean(values, samples.segment_ids)
    return torch.where(segment_varies(values, samples.segment_ids), centred, 0.0).float()


# -- advantages ----------------------------------------------------------------------------------------------


@every_token
def sound_advantage(samples: Any, config: Any) -> torch.Tensor:
    return _centred(samples)


def a_number_a_sample(samples: Any, tokens: Any, config: Any) -> Estimate:
    return Estimate(advantages=_centred(samples))


def no_estimate(samples: Any, config: Any, more: Any = None) -> torch.Tensor:
    return _centred(samples)


@every_token
def divides_by_nothing(samples: Any, config: Any) -> torch.Tensor:
    values = _centred(samples)
    return values / segment_mean(values.abs().double(), samples.segment_ids).float()


@every_token
def noisy(samples: Any, config: Any) -> torch.Tensor:
    return _centred(samples) * (1 + torch.rand(1))


@every_token
def in_place(samples: Any, config: Any) -> torch.Tensor:
    out = _centred(samples)
    samples.rewards.clamp_(max=0.5)
    return out


@every_token
def plain_reward(samples: Any, config: Any) -> torch.Tensor:
    return samples.rewards


@every_token
def first_is_baseline(samples: Any, config: Any) -> torch.Tensor:
    first = {int(group): i for i, group in reversed(list(enumerate(samples.segment_ids)))}
    base = torch.stack([samples.rewards[first[int(group)]] for group in samples.segment_ids])
    return torch.where(segment_varies(samples.rewards, samples.segment_ids), samples.rewards - base, 0.0)


@every_token
def over_the_batch(samples: Any, config: Any) -> torch.Tensor:
    values = _centred(samples)
    return values / values.std()


@every_token
def upside_down(samples: Any, config: Any) -> torch.Tensor:
    return -_centred(samples)


# -- masks ---------------------------------------------------------------------------------------------------


def sound_mask(ratio: torch.Tensor, advantages: torch.Tensor, config: Any) -> torch.Tensor:
    return ratio.clamp(0.5, 2.0)


def infinite(ratio: torch.Tensor, advantages: torch.Tensor, config: Any) -> torch.Tensor:
    return torch.where(ratio < 10, ratio, torch.inf)


def zero_or_one(ratio: torch.Tensor, advantages: torch.Tensor, config: Any) -> torch.Tensor:
    return ratio * (ratio < 1).float()


def leaks(ratio: torch.Tensor, advantages: torch.Tensor, config: Any) -> torch.Tensor:
    return torch.where(ratio > 1.2, 1.2 + 0.1 * (ratio - 1.2), ratio)


def by_the_largest(ratio: torch.Tensor, advantages: torch.Tensor, config: Any) -> torch.Tensor:
    return ratio.clamp(max=max(1.0, ratio.max().item() / 2)) if len(ratio) else ratio


def sometimes(ratio: torch.Tensor, advantages: torch.Tensor, config: Any) -> torch.Tensor:
    return ratio.clamp(max=2.0 + next(_CALLS))


# -- likelihoods ---------------------------------------------------------------------------------------------


def _loss(tokens: Any, config: Any) -> torch.Tensor:
    return -tokens.bounded * tokens.advantages


sound_likelihood = Likelihood(loss=_loss)
no_gradient = Likelihood(loss=lambda tokens, config: _loss(tokens, config).detach() + 0 * tokens.policy)
doubled = Likelihood(loss=lambda tokens, config: 2 * _loss(tokens, config))
mask_unread = Likelihood(loss=lambda tokens, config: -tokens.ratio * tokens.advantages)
unread_bonus = Likelihood(loss=lambda tokens, config: _loss(tokens, config) + 0.1 * tokens.log_ratio.square())
over_the_micro_batch = Likelihood(
    loss=lambda tokens, config: _loss(tokens, config) * tokens.ratio.detach().mean()
)
overflows = Likelihood(
    loss=lambda tokens, config: (
        torch.where(tokens.kept, -tokens.log_ratio.mul(40).exp() / 40, 0.0) * tokens.advantages
    )
)
uncertain = Likelihood(loss=lambda tokens, config: _loss(tokens, config) * (1 + 1e-6 * next(_CALLS)))


# -- shapings ------------------------------------------------------------------------------------------------


def sound_shaping(rewards: torch.Tensor, samples: Any, *, share: float = 0.5) -> torch.Tensor:
    return rewards * share


def double_precision(rewards: torch.Tensor, samples: Any) -> torch.Tensor:
    return rewards.double()


def halves_in_place(rewards: torch.Tensor, samples: Any) -> torch.Tensor:
    return rewards.mul_(0.5)


def by_place(rewards: torch.Tensor, samples: Any) -> torch.Tensor:
    return rewards + 0.01 * torch.arange(len(rewards))


# -- schedules -----------------------------------------------------------------------------------------------


def sound_schedule(moment: Any, config: Any) -> float:
    return (1 - moment.progress) ** 2


def below_zero(moment: Any, config: Any) -> float:
    return 1 - 2 * moment.progress


def half_way_up(moment: Any, config: Any) -> float:
    return 0.5 * (1 - moment.progress)


def over_the_peak(moment: Any, config: Any) -> float:
    return 1 + 1e-6 * moment.elapsed if moment.progress < 1 else 0.0


def stairs(moment: Any, config: Any) -> float:
    return 1.0 if moment.progress < 0.5 else 0.5


class _Remembers:
    def __init__(self) -> None:
        self.last = 1.0

    def __call__(self, moment: Any, config: Any) -> float:
        self.last = 1.0 if moment.elapsed == 0 else 0.0 if moment.progress == 1 else self.last * 0.9
        return self.last


remembers = _Remembers()


# -- optimizers ----------------------------------------------------------------------------------------------


class _Momentum(torch.optim.Optimizer):
    """Plain momentum, with one flaw by choice."""

    def __init__(self, parameters: Any, *, lr: float, flaw: str = "") -> None:
        super().__init__(parameters, {"lr": lr})
        self.flaw, self.lr = flaw, lr
        self.hidden: dict[Any, Any] = {}

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.hidden if self.flaw == "hidden" else self.state[parameter]
                key = parameter if self.flaw == "hidden" else "momentum"
                state[key] = 0.9 * state.get(key, torch.zeros_like(parameter)) + parameter.grad
                rate = {"climbs": -group["lr"], "own rate": self.lr}.get(self.flaw, group["lr"])
                noise = torch.rand(1) if self.flaw == "noise" else 1.0
                parameter.add_(state[key] * noise, alpha=-rate)


def _trainable(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def sound_optimizer(model: nn.Module, config: Any) -> torch.optim.Optimizer:
    return _Momentum(_trainable(model), lr=config.lr)


def matrices_only(model: nn.Module, config: Any) -> torch.optim.Optimizer:
    return _Momentum([p for p in _trainable(model) if p.ndim == 2], lr=config.lr)


def climbs(model: nn.Module, config: Any) -> torch.optim.Optimizer:
    return _Momentum(_trainable(model), lr=config.lr, flaw="climbs")


def own_rate(model: nn.Module, config: Any) -> torch.optim.Optimizer:
    return _Momentum(_trainable(model), lr=config.lr, flaw="own rate")


def forgets(model: nn.Module, config: Any) -> torch.optim.Optimizer:
    return _Momentum(_trainable(model), lr=config.lr, flaw="hidden")


def throws_dice(model: nn.Module, config: Any) -> torch.optim.Optimizer:
    return _Momentum(_trainable(model), lr=config.lr, flaw="noise")
