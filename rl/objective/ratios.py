"""The ratio's denominator: whose log-probs the policy is compared with. All are constants to the gradient."""

from collections.abc import Callable

from rl.objective.shapes import PerToken


def behavior_reference(policy: PerToken, behavior: PerToken, proximal: PerToken | None) -> PerToken:
    """[T] the sampler's log-probs: one ratio corrects for staleness and bounds the update."""
    return behavior


def proximal_reference(policy: PerToken, behavior: PerToken, proximal: PerToken | None) -> PerToken:
    """[T] log-probs under the learner's weights at the start of the batch (decoupled PPO, Hilton et al. 2021,
    arXiv 2110.00641).

    On the first update of a batch those are the policy's own, so None stands for them.
    """
    return policy.detach() if proximal is None else proximal


def current_reference(policy: PerToken, behavior: PerToken, proximal: PerToken | None) -> PerToken:
    """[T] the policy's own log-probs, detached: the ratio is 1 and the gradient REINFORCE's, staleness
    uncorrected."""
    return policy.detach()


ReferenceFunction = Callable[[PerToken, PerToken, PerToken | None], PerToken]

REFERENCES: dict[str, ReferenceFunction] = {
    "behavior": behavior_reference,
    "proximal": proximal_reference,
    "current": current_reference,
}
