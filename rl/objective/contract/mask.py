"""The contract of a mask: ``(ratio [T], advantages [T], config) -> bounded ratio [T]``."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from rl.config.algorithm import AlgorithmConfig
from rl.objective.contract.world import close, per_token
from rl.objective.masks import MaskFunction
from rollout.contract import require


@dataclass(frozen=True, kw_only=True)
class AskedMask:
    """A mask with the settings that it reads."""

    mask: MaskFunction
    config: AlgorithmConfig

    def __call__(self, ratio: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
        """[T] the bounded ratio, checked for shape, type and range."""
        bounded = self.mask(ratio, advantages, self.config)
        return per_token(bounded, len(ratio), name="bounded ratio")

    def with_gradient(
        self, ratio: torch.Tensor, advantages: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[T] the bounded ratio, and its derivative by the ratio."""
        leaf = ratio.clone().requires_grad_()
        bounded = self(leaf, advantages)
        if not bounded.requires_grad:  # every token is bounded by a constant
            return bounded, torch.zeros_like(ratio)
        (slope,) = torch.autograd.grad(bounded.sum(), leaf)
        return bounded.detach(), slope


def _grid() -> tuple[torch.Tensor, torch.Tensor]:
    """Ratios from far below to far above 1, each with a positive, a zero and a negative advantage."""
    ratios = torch.tensor([0.0, 1e-6, 0.3, 0.79, 0.9, 1.0, 1.1, 1.27, 1.5, 4.0, 30.0, 1e8])
    advantages = torch.tensor([2.0, 0.0, -0.5])
    pairs = torch.cartesian_prod(ratios, advantages)
    return pairs[:, 0].contiguous(), pairs[:, 1].contiguous()


def well_shaped(asked: AskedMask) -> None:
    """A finite bounded ratio for every ratio and sign of advantage; also for one token and for none."""
    ratio, advantages = _grid()
    for count in (len(ratio), 1, 0):
        asked(ratio[:count], advantages[:count])


def on_policy(asked: AskedMask) -> None:
    """A token of the sampler's own policy (ratio 1) is left as it is."""
    advantages = torch.tensor([2.0, 0.0, -0.5])
    bounded, slope = asked.with_gradient(torch.ones(3), advantages)
    require(
        torch.equal(bounded, torch.ones(3)),
        f"at ratio 1 it gives {bounded.tolist()} for advantages {advantages.tolist()}, not 1",
    )
    require(
        torch.equal(slope[[0, 2]], torch.ones(2)),
        "at ratio 1 a token loses its gradient: the first update on fresh samples would train nothing",
    )


def kept_or_bounded(asked: AskedMask) -> None:
    """Where it gives the ratio back, the gradient passes whole; where it gives a bound, none does."""
    ratio, advantages = _grid()
    bounded, slope = asked.with_gradient(ratio, advantages)
    kept = bounded == ratio
    for place in range(len(ratio)):
        if float(advantages[place]) == 0:
            continue  # what such a token's gradient is multiplied by is 0
        wanted = 1.0 if kept[place] else 0.0
        require(
            float(slope[place]) == wanted,
            f"ratio {float(ratio[place]):g} with advantage {float(advantages[place]):g} becomes"
            f" {float(bounded[place]):g} with gradient {float(slope[place]):g}: a kept token is the ratio"
            " itself (gradient 1), a bounded one a constant (gradient 0)",
        )


def token_by_token(asked: AskedMask) -> None:
    """Each token alone decides; the others, and their order, play no part."""
    ratio, advantages = _grid()
    whole = asked(ratio, advantages)
    require(
        close(asked(ratio.flip(0), advantages.flip(0)), whole.flip(0)),
        "a token's bound depends on its place",
    )
    alone = torch.cat([asked(ratio[i : i + 1], advantages[i : i + 1]) for i in range(len(ratio))])
    require(
        close(alone, whole), "a token's bound depends on other tokens: micro-batches would change the run"
    )


def pure(asked: AskedMask) -> None:
    """Asked twice, it answers the same and leaves its input alone."""
    ratio, advantages = _grid()
    before = ratio.clone(), advantages.clone()
    first = asked(ratio, advantages).clone()
    untouched = torch.equal(ratio, before[0]) and torch.equal(advantages, before[1])
    require(untouched, "it changes its input in place; give a new tensor")
    require(
        torch.equal(first, asked(ratio, advantages)), "asked twice about the same tokens, it answers twice"
    )


CHECKS: dict[str, Callable[[AskedMask], None]] = {
    "one finite number a token": well_shaped,
    "on-policy tokens keep their gradient": on_policy,
    "kept whole or bounded by a constant": kept_or_bounded,
    "token by token": token_by_token,
    "same tokens, same answer": pure,
}
"""Name -> check, in the order to run them."""
