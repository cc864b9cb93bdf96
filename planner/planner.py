"""The planner: what was learnt about every prompt, turned into how many samples it gets, in training and when
served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from planner.allocation import allocate_parallel
from planner.allocation import modes as plan_modes
from planner.allocation.demand import Unknown, demand_of
from planner.allocation.gains import coverage
from planner.belief.posterior import Posterior, PosteriorStore
from planner.belief.prior import PriorConfig
from planner.belief.seen import SeenGroups
from planner.training.targets import TargetConfig, TargetTracker, TrainTargets, make_targets
from planner.training.units import Level, units_of
from planner.types import Mode, Query, ServingPlan
from planner.verifiers.verifier import VerifierSpec
from rollout.statistics import StatisticsStore
from rollout.types import RolloutStat

STATE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerConfig:
    """Assumptions of the planner where nothing was measured, and how it follows what was."""

    prior: PriorConfig = field(default_factory=PriorConfig)
    targets: TargetConfig = field(default_factory=TargetConfig)
    unknown: Unknown = field(default_factory=Unknown)
    k_max: int = 1024
    agreement: float = 1.0
    """Share of wrong samples that agree on one wrong answer, for votes; 1 is the worst case."""


class Planner:
    """Posteriors, plans and training targets over one statistics store."""

    def __init__(
        self,
        store: StatisticsStore,
        *,
        config: PlannerConfig | None = None,
        verifier: VerifierSpec | None = None,
    ) -> None:
        """View ``store``.

        Args:
            store: The run's own: in training the curriculum feeds it with every finished group, kept or
                dropped. Elsewhere ``observe`` does.
            config: Assumptions.
            verifier: Error rates behind the outcomes in the store.
        """
        self.store = store
        self.config = config or PlannerConfig()
        self.posteriors = PosteriorStore(store, config=self.config.prior, verifier=verifier)
        self._seen = SeenGroups(store.discount)
        self._targets = TargetTracker(self.config.targets)
        self._retried = 0
        """Version at which impossible keys were last planned for as if they were not."""

    def observe(self, stat: RolloutStat) -> bool:
        """Count one finished group; O(1). False if it was counted before, or is too old to weigh anything.

        Idempotent by (prompt, policy version, group). Only for a store that nobody else feeds.
        """
        if not self._seen.add(stat, newest=self.store.version):
            return False
        self.store.add(stat)
        return True

    def posterior(self, key: str) -> Posterior:
        """Return the posterior of a prompt that was observed, else of the category of that name."""
        if self.store.has(key):
            category = self.store.category_of(np.array([self.store.index_of(key)]))[0]
            if category is not None:
                return self.posteriors.of_prompts([key], [category]).at(0)
        return self.posteriors.of_category(key)

    def plan(
        self,
        queries: Sequence[Query],
        token_budget: float,
        *,
        mode: Mode = "parallel",
        verifier: VerifierSpec | None = None,
        loss: float = 0.0,
    ) -> ServingPlan:
        """Divide ``token_budget`` over queries.

        Args:
            queries: At least one.
            token_budget: Prefill and completion tokens together; expected ones where sampling may stop early.
            mode: ``parallel`` draws all samples at once, ``sequential`` until the verifier accepts.
            verifier: Measured error rates of the one that will judge the samples; None = there is none, and
                votes decide.
            loss: Of a wrong answer returned, a right one being worth the query's weight.

        Raises:
            ValueError: no query, a bad number in one, or a budget that does not pay what every query gets.
        """
        if not queries:
            raise ValueError("queries: at least one is needed")
        if not token_budget > 0:
            raise ValueError(f"token_budget is {token_budget}: it must be above 0")
        demand = demand_of(queries, self.posteriors, self.config.unknown)
        if verifier is None:
            return plan_modes.votes(demand, token_budget, agreement=self.config.agreement)
        choose = plan_modes.sequential if mode == "sequential" else plan_modes.parallel
        return choose(demand, token_budget, verifier, loss=loss, k_max=self.config.k_max)

    def train_targets(
        self,
        token_budget: float,
        *,
        level: Level = "category",
        group_size: int,
        progress: float = 0.0,
    ) -> TrainTargets:
        """pass@k targets of everything observed, planned for a deployment of ``token_budget`` tokens a query.

        Args:
            token_budget: Tokens a query, prompts drawn as often as they stand in the store.
            level: One target for each category, or for each observed prompt.
            group_size: Rollouts of a training group: decides the estimator.
            progress: Share of training done, for annealing.

        Raises:
            ValueError: nothing was observed yet.
        """
        units = units_of(self.posteriors, level, self.config.unknown)
        if not units.keys:
            raise ValueError(
                "train_targets: nothing was observed yet; train at k = 1 until the first statistics arrive"
            )
        config, post = self.config.targets, units.posterior
        retry = self.store.version - self._retried >= config.retry_every
        if retry:
            self._retried = self.store.version
        hopeful = units.upper_mean(config.quantile)
        size = post.a + post.b
        chosen = allocate_parallel(
            hopeful * size,
            (1 - hopeful) * size,
            units.tokens * units.members,
            token_budget * float(units.members.sum()),
            weight=units.members * (1.0 if retry else 1 - post.zero),
            k_max=config.k_max,
        )
        k = self._targets.update(units.keys, chosen.k)
        return TrainTargets(
            targets=make_targets(k, post.a, post.b, group_size=group_size, config=config, progress=progress),
            price=chosen.price,
            share_abandoned=float((chosen.k == 0).mean()),
        )

    def forecast(self, ks: Sequence[int], categories: Sequence[str] | None = None) -> dict[str, list[float]]:
        """Expected pass@k of each category's observed prompts, by the posterior of each; k may exceed what
        was sampled."""
        seen = self.store.observed()
        out = {}
        for name in categories if categories is not None else sorted(set(self.store.categories())):
            rows = (
                seen.category == seen.categories.index(name)
                if name in seen.categories
                else np.zeros(0, dtype=bool)
            )
            prompts = [prompt for prompt, held in zip(seen.prompts, rows, strict=False) if held]
            post = (
                self.posteriors.of_prompts(prompts, [name] * len(prompts))
                if prompts
                else self.posteriors.of_category(name)
            )
            out[name] = [float(np.mean((1 - post.zero) * coverage(post.a, post.b, k))) for k in ks]
        return out

    def state_dict(self) -> dict[str, Any]:
        """JSON-able; the store is saved by whoever owns it."""
        return {
            "state_version": STATE_VERSION,
            "posteriors": self.posteriors.state_dict(),
            "seen": self._seen.state_dict(),
            "targets": self._targets.state_dict(),
            "retried": self._retried,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore; load the store as well.

        Raises:
            ValueError: a state of another format.
        """
        if state["state_version"] != STATE_VERSION:
            raise ValueError(
                f"planner state of version {state['state_version']}: this build reads {STATE_VERSION}"
            )
        self.posteriors.load_state_dict(state["posteriors"])
        self._seen.load_state_dict(state["seen"])
        self._targets.load_state_dict(state["targets"])
        self._retried = state["retried"]
