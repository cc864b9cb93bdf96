"""The contract of a likelihood gradient, a ``rl.objective.likelihood.Likelihood``; it is asked through the
whole loss, as in a run."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from rl.config.algorithm import AlgorithmConfig, ClipMask
from rl.objective.contract.world import close
from rl.objective.estimator import policy_gradient_loss
from rl.objective.inputs import TokenInputs
from rl.objective.likelihood import Likelihood
from rollout.contract import require

SEQUENCE = torch.tensor([0, 0, 0, 1, 2, 2, 2, 2, 3, 3])
"""[T] four answers of 3, 1, 4 and 2 tokens."""
ADVANTAGES = torch.tensor([1.0, -2.0, 0.5, -0.25])
"""[4] of the answers."""
LOGPROBS = torch.tensor([-0.1, -2.0, -0.7, -1.2, -0.05, -3.0, -0.4, -0.9, -1.5, -0.3])
"""[T] of the policy."""
GAPS = torch.tensor([0.02, -0.1, 0.05, 0.08, -0.03, 0.1, -0.06, 0.04, -0.02, 0.07])
"""[T] log-ratios small enough for every mask."""
FAR = 3.0
"""A log-ratio that the clip bounds on either side of 1, given the sign of the advantage."""


@dataclass(frozen=True, kw_only=True)
class AskedLikelihood:
    """A likelihood by name, with the settings of the loss around it."""

    likelihood: Likelihood
    config: AlgorithmConfig
    """``likelihood`` names it; mask ``none``, reference ``behavior`` and no other term unless a check says
    otherwise."""

    def gradient(self, inputs: TokenInputs, **changes: object) -> torch.Tensor:
        """[T] of the loss by the policy's log-probs."""
        policy = inputs.policy_logprobs.clone().requires_grad_()
        config = self.config.model_copy(update=changes)
        loss = policy_gradient_loss(replace(inputs, policy_logprobs=policy), config).loss
        require(bool(torch.isfinite(loss)), f"the loss is {loss.item()}; clamp what goes into exp")
        require(
            loss.requires_grad, "the loss has no gradient: it must depend on tokens.policy, ratio or bounded"
        )
        (slope,) = torch.autograd.grad(loss, policy)
        finite = torch.isfinite(slope) | ~torch.isfinite(policy)
        require(bool(finite.all()), f"the gradient is not finite: {slope.tolist()}")
        return slope


def _inputs(gaps: torch.Tensor, *, advantages: torch.Tensor = ADVANTAGES) -> TokenInputs:
    weights = torch.tensor([0.1, 0.2, 0.05, 0.3])
    return TokenInputs(
        policy_logprobs=LOGPROBS,
        behavior_logprobs=LOGPROBS - gaps,
        advantages=advantages[SEQUENCE],
        weights=weights[SEQUENCE],
        sequence=SEQUENCE,
    )


def reaches_the_policy(asked: AskedLikelihood) -> None:
    """A finite loss whose gradient reaches every token that has an advantage."""
    slope = asked.gradient(_inputs(GAPS))
    require(bool((slope != 0).all()), f"tokens with an advantage get no gradient: {slope.tolist()}")


def plain_at_ratio_one(asked: AskedLikelihood) -> None:
    """On fresh samples (ratio 1) it is the plain policy gradient, ``-weight * A`` a token."""
    inputs = _inputs(torch.zeros_like(GAPS))
    wanted = -inputs.weights * inputs.advantages
    slope = asked.gradient(inputs)
    require(
        close(slope, wanted),
        f"at ratio 1 the gradient is {_short(slope)}, and the plain policy gradient {_short(wanted)}; if that"
        " is meant, allow this check",
    )


def masked_tokens(asked: AskedLikelihood) -> None:
    """Tokens that the mask bounds, that weigh nothing or whose log-prob is not a number get no gradient."""
    away = torch.sign(ADVANTAGES)[SEQUENCE] * FAR
    bounded = torch.where(SEQUENCE < 2, away, GAPS)
    slope = asked.gradient(_inputs(bounded), mask=ClipMask())
    require(
        not bool(slope[SEQUENCE < 2].any()),
        f"answers that the mask bounds get a gradient of {_short(slope[SEQUENCE < 2])}; use tokens.bounded,"
        " or tokens.kept with torch.where",
    )
    inputs = _inputs(GAPS)
    weightless = replace(inputs, weights=torch.where(SEQUENCE == 2, 0.0, inputs.weights))
    require(not bool(asked.gradient(weightless)[SEQUENCE == 2].any()), "padding gets a gradient")
    lost = inputs.policy_logprobs.clone()
    lost[[1, 8]] = torch.tensor([-torch.inf, torch.nan])
    slope = asked.gradient(replace(inputs, policy_logprobs=lost))
    require(
        bool((slope[[1, 8]].nan_to_num(1.0) == 0).all()),
        "tokens whose log-prob is not a number get a gradient: leave out what is not tokens.usable",
    )


def without_advantage(asked: AskedLikelihood) -> None:
    """Tokens of advantage 0 have no gradient, unless the likelihood says so (``without_advantage``)."""
    slope = asked.gradient(_inputs(GAPS, advantages=torch.zeros(4)))
    require(
        asked.likelihood.without_advantage or not bool(slope.any()),
        f"tokens of advantage 0 get a gradient of {_short(slope)}; the learner skips such samples, so set"
        " Likelihood(without_advantage=True)",
    )


def micro_batches(asked: AskedLikelihood) -> None:
    """Split into micro-batches of whole answers, the gradient is the same."""
    inputs = _inputs(GAPS)
    whole = asked.gradient(inputs)
    for first in (SEQUENCE < 1, SEQUENCE < 2, SEQUENCE < 3):
        parts = torch.cat([asked.gradient(_taken(inputs, part)) for part in (first, ~first)])
        require(
            close(parts, whole),
            f"split after answer {int(SEQUENCE[first].max())} the gradient is {_short(parts)}, whole"
            f" {_short(whole)}: a loss may read no other answer than its token's",
        )


def far_away(asked: AskedLikelihood) -> None:
    """Log-ratios of hundreds leave loss and gradient finite."""
    for gap in (-300.0, 300.0):
        asked.gradient(_inputs(torch.full_like(GAPS, gap)))


def pure(asked: AskedLikelihood) -> None:
    """Asked twice, it answers the same."""
    inputs = _inputs(GAPS)
    same = torch.equal(asked.gradient(inputs), asked.gradient(inputs))
    require(same, "asked twice about the same tokens, it answers twice")


def _taken(inputs: TokenInputs, part: torch.Tensor) -> TokenInputs:
    """The tokens where ``part`` [T], their answers counted from 0."""
    return TokenInputs(
        policy_logprobs=inputs.policy_logprobs[part],
        behavior_logprobs=inputs.behavior_logprobs[part],
        advantages=inputs.advantages[part],
        weights=inputs.weights[part],
        sequence=torch.unique(inputs.sequence[part], return_inverse=True)[1],
    )


def _short(values: torch.Tensor) -> list[float]:
    return [round(float(value), 4) for value in values]


CHECKS: dict[str, Callable[[AskedLikelihood], None]] = {
    "a gradient on every token with an advantage": reaches_the_policy,
    "the plain gradient at ratio 1": plain_at_ratio_one,
    "no gradient on masked tokens": masked_tokens,
    "no gradient without advantage": without_advantage,
    "micro-batches are nothing": micro_batches,
    "finite far from the sampler": far_away,
    "same tokens, same answer": pure,
}
"""Name -> check, in the order to run them."""
