"""The contract of an advantage: ``(samples, tokens, config) -> Estimate``."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from rl.config.algorithm import AlgorithmConfig, BrpoAdvantage
from rl.objective.advantages import AdvantageFunction
from rl.objective.advantages.estimate import Estimate
from rl.objective.contract.world import (
    MIXED,
    SILENT,
    World,
    backwards_within_groups,
    close,
    per_token,
    reordered,
    tensors_of,
    tokens_of,
    unchanged,
)
from rl.objective.samples import Samples, Tokens
from rollout.contract import require


@dataclass(frozen=True, kw_only=True)
class AskedAdvantage:
    """An estimator with the settings that it reads."""

    estimate: AdvantageFunction
    config: AlgorithmConfig

    @property
    def world(self) -> World:
        """Updates as it expects them."""
        advantage = self.config.advantage
        return World(num_budgets=len(advantage.budgets.tokens) if isinstance(advantage, BrpoAdvantage) else 0)

    def of_tokens(self, samples: Samples, tokens: Tokens) -> torch.Tensor:
        """[U] advantages, checked for shape, type and range."""
        answer = self.estimate(samples, tokens, self.config)
        require(
            isinstance(answer, Estimate),
            f"got {type(answer).__name__}; give an Estimate of tokens, or decorate a function of whole"
            " samples with rl.objective.advantages.every_token",
        )
        advantages = per_token(answer.advantages, len(tokens.sample), name="advantages")
        require(
            not advantages.requires_grad, "advantages carry a gradient; they are constants, so detach them"
        )
        if answer.returns is not None:
            per_token(answer.returns, len(tokens.sample), name="returns")
        return advantages

    def of_samples(self, samples: Samples, *, flat_values: bool = False) -> torch.Tensor:
        """[S] mean advantage of each sample's tokens."""
        tokens = tokens_of(samples, flat_values=flat_values)
        sums = torch.zeros(len(samples.rewards), dtype=torch.float64)
        sums.index_add_(0, tokens.sample, self.of_tokens(samples, tokens).double())
        return sums / samples.lengths


def well_shaped(asked: AskedAdvantage) -> None:
    """Updates of many groups, of one, of one sample, and with a KL penalty on every token."""
    for groups in (MIXED, MIXED[:1], SILENT, SILENT[:1], (*MIXED, *SILENT)):
        samples = asked.world.samples(groups)
        for kl in (False, True):
            asked.of_tokens(samples, tokens_of(samples, kl=kl))


def pure(asked: AskedAdvantage) -> None:
    """Asked twice, it answers the same and leaves its input alone; the global generator plays no part."""
    samples = asked.world.samples(MIXED)
    before = tensors_of(samples)
    first = asked.of_tokens(samples, tokens_of(samples)).clone()
    unchanged(lambda: tensors_of(samples), before)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        second = asked.of_tokens(samples, tokens_of(samples))
    require(
        torch.equal(first, second), "asked twice about one update, it answers twice: a resumed run differs"
    )


def silent_groups(asked: AskedAdvantage) -> None:
    """A group of one, and one whose rewards are equal, get exactly 0, alone and beside others."""
    samples = asked.world.samples((*SILENT, *MIXED))
    quiet = samples.segment_ids < len(SILENT)
    found = asked.of_samples(samples)[quiet]
    wrong = [f"{float(value):.3g}" for value in found if value != 0]
    require(
        not wrong,
        f"groups of one, or of equal rewards, get advantages such as {', '.join(wrong[:3])}, not exactly 0:"
        " such a group says nothing (rl.objective.segments.segment_varies finds it without rounding)",
    )


def order_inside_groups(asked: AskedAdvantage) -> None:
    """Samples in another order inside their groups have the same advantages, in that order."""
    samples = asked.world.samples(MIXED)
    order = backwards_within_groups(samples)
    got = asked.of_samples(reordered(samples, order))
    require(
        close(got, asked.of_samples(samples)[order]),
        "an advantage depends on the place of a sample in its group; there is no first answer",
    )


def other_groups(asked: AskedAdvantage) -> None:
    """Other rewards in one group change nothing in the others; neither does the groups' order."""
    samples = asked.world.samples(MIXED)
    kept = samples.segment_ids != 1
    other = replace(samples, rewards=torch.where(kept, samples.rewards, samples.rewards * 2 + 1))
    whole = asked.of_samples(samples)
    require(
        close(whole[kept], asked.of_samples(other)[kept]),
        "rewards of one group change the advantages of another; a batch-level estimator may (allow this"
        " check), others must not",
    )
    order = torch.arange(len(whole)).flip(0)
    turned = reordered(samples, order)
    turned = replace(turned, segment_ids=samples.num_groups - 1 - turned.segment_ids)
    require(close(asked.of_samples(turned), whole[order]), "an advantage depends on the order of the groups")


def better_is_not_less(asked: AskedAdvantage) -> None:
    """Check that of two samples of a group that differ in nothing else, the one of more reward has no less
    advantage."""
    samples = asked.world.samples(MIXED, length=3)
    found = asked.of_samples(samples, flat_values=True)
    for group in range(samples.num_groups):
        members = torch.nonzero(samples.segment_ids == group).flatten()
        order = members[samples.rewards[members].argsort(stable=True)]
        fall = (found[order[:-1]] - found[order[1:]]).max()
        require(
            float(fall) <= 1e-5,
            f"in a group with rewards {samples.rewards[order].tolist()} the advantages are"
            f" {[round(float(x), 4) for x in found[order]]}: more reward must not mean less advantage",
        )


CHECKS: dict[str, Callable[[AskedAdvantage], None]] = {
    "one finite number a token": well_shaped,
    "same update, same answer": pure,
    "nothing from groups that say nothing": silent_groups,
    "order inside a group is nothing": order_inside_groups,
    "other groups are nothing": other_groups,
    "more reward is not less advantage": better_is_not_less,
}
"""Name -> check, in the order to run them."""

DECLARED: dict[str, tuple[str, ...]] = {
    # No baseline from the group; whitened over the batch.
    "gae": ("nothing from groups that say nothing", "other groups are nothing"),
    "reinforce_pp": ("nothing from groups that say nothing", "other groups are nothing"),
    "reinforce_pp_baseline": ("nothing from groups that say nothing", "other groups are nothing"),
    # The mean of equal scores leaves a rounding error, and the sample's own earlier scores count as well.
    "brpo": ("nothing from groups that say nothing",),
}
"""Shipped name -> checks that it is declared not to keep."""
