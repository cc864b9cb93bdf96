"""Step tickets bound staleness under random timing, and a capacity count does not: a discrete-event
simulation of both.

Modelled: engines that load and confirm a push at different times, die with their groups in flight and come
back; groups of random duration; groups dropped and refilled; batches that close before their stragglers;
plans of unequal size.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl.stream.tickets import EngineVersions, Tickets


@dataclass(eq=False)
class Group:
    """One group in flight or finished."""

    plan: int
    refill: bool = False
    engine: int = -1
    oldest: int = -1
    finished: bool = False


@dataclass(kw_only=True)
class World:
    """Clock, engines and learner; a rule on top decides what is issued and what is consumed."""

    seed: int
    num_engines: int = 2
    sigma: float = 1.0
    train_s: float = 1.0
    load_s: float = 0.3
    failure_rate: float = 0.0
    version: int = 0
    engines: EngineVersions = field(default_factory=EngineVersions)
    staleness: list[int] = field(default_factory=list)
    """Of every group consumed, in order."""

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.loaded = dict.fromkeys(range(self.num_engines), 0)
        self.running: list[Group] = []
        self.published = 0
        self.finished: Callable[[Group], None] = lambda group: None
        self.lost: Callable[[Group], None] = lambda group: None
        for engine in self.loaded:
            self.engines.join(engine, version=0)

    def after(self, delay: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._order), action))

    def run(self, until: Callable[[], bool], tick: Callable[[], None], max_events: int = 40_000) -> None:
        """Process events, giving the rule a turn after each, until the condition holds."""
        tick()
        for _ in range(max_events):
            if until():
                return
            self.now, _, action = heapq.heappop(self._events)
            action()
            tick()
        raise AssertionError(f"no progress: version {self.version} after {max_events} events")

    def send(self, group: Group) -> None:
        """Give a group to a random live engine; its first token comes from what that engine holds now."""
        live = sorted(engine for engine in self.engines.live if isinstance(engine, int))
        if not live:
            self.after(1.0, lambda: self.send(group))
            return
        group.engine = int(self.rng.choice(live))
        group.oldest, group.finished = self.loaded[group.engine], False
        self.running.append(group)
        self.after(float(self.rng.lognormal(0.0, self.sigma)), lambda: self._finish(group))
        if self.rng.random() < self.failure_rate:
            self.after(float(self.rng.exponential(1.0)), partial(self._die, group.engine))

    def train(self, groups: list[Group], then: Callable[[], None]) -> None:
        """One optimizer step on finished groups; then every engine loads and confirms, each in its own
        time."""
        self.staleness += [self.version - group.oldest for group in groups]

        def done() -> None:
            self.version += 1
            self._push(self.version)
            then()

        self.after(float(self.rng.exponential(self.train_s)) + 0.01, done)

    def _finish(self, group: Group) -> None:
        if group in self.running:
            self.running.remove(group)
            group.finished = True
            self.finished(group)

    def _push(self, version: int) -> None:
        self.published = version
        for engine in self.engines.live:
            self.after(float(self.rng.exponential(self.load_s)), partial(self._load, engine, version))

    def _load(self, engine: int, version: int) -> None:
        if engine in self.engines.live:
            self.loaded[engine] = max(self.loaded[engine], version)
            self.after(float(self.rng.exponential(self.load_s)), lambda: self._confirm(engine, version))

    def _confirm(self, engine: int, version: int) -> None:
        if engine in self.engines.live:
            self.engines.confirm(engine, version=version)

    def _die(self, engine: int) -> None:
        if engine not in self.engines.live:
            return
        self.engines.leave(engine)
        for group in [g for g in self.running if g.engine == engine]:
            self.running.remove(group)
            self.lost(group)
        self.after(float(self.rng.exponential(2.0)), lambda: self._revive(engine))

    def _revive(self, engine: int) -> None:
        self.loaded[engine] = self.published
        self.engines.join(engine, version=self.published)


class TicketRule:
    """Plans by ticket; batch s is plan s, its refills, and what rolled over to it."""

    def __init__(
        self, world: World, tickets: Tickets, *, sizes: list[int], drop_rate: float, late_share: float
    ) -> None:
        self.world, self.tickets, self.sizes = world, tickets, sizes
        self.drop_rate, self.late_share = drop_rate, late_share
        self.plans: dict[int, list[Group]] = {}
        self.busy = False
        self.reissued = 0
        world.finished, world.lost = self._finished, world.send

    def tick(self) -> None:
        self.tickets.confirm(self.world.engines.confirmed)
        while self.tickets.next_step < len(self.sizes) and self.tickets.can_issue():
            step = self.tickets.issue()
            self.plans[step] = [Group(plan=step) for _ in range(self.sizes[step])]
            for group in self.plans[step]:
                self.world.send(group)
        if not self.busy and self._closable(self.world.version):
            self._consume(self.world.version)

    def _finished(self, group: Group) -> None:
        if not group.refill and self.world.rng.random() < self.drop_rate:
            self.plans[group.plan].remove(group)
            extra = Group(plan=group.plan, refill=True)
            self.plans[group.plan].append(extra)
            self.world.send(extra)

    def _closable(self, step: int) -> bool:
        plan = self.plans.get(step)
        if plan is None:
            return False
        late = sum(not g.finished for g in plan)
        return late == 0 or (
            step + 1 in self.plans and late < len(plan) and late <= self.late_share * len(plan)
        )

    def _consume(self, step: int) -> None:
        groups = [g for g in self.plans[step] if g.finished]
        for group in [g for g in self.plans.pop(step) if not g.finished]:
            group.plan = step + 1
            self.plans[step + 1].append(group)
            if not self.tickets.is_fresh(step=step + 1, min_policy_version=group.oldest):
                assert self.tickets.can_reissue(step=step + 1)
                self.reissued += 1
                if group in self.world.running:
                    self.world.running.remove(group)
                    self.world.send(group)
        for group in groups:
            self.tickets.assert_fresh(step=step, min_policy_version=group.oldest)
        self.busy = True
        self.world.train(groups, self._trained)

    def _trained(self) -> None:
        self.busy = False


class CapacityRule:
    """accepted + running <= (bound + version + 1) * batch, consumed as they finish (like AReaL, arXiv
    2505.24298)."""

    def __init__(self, world: World, *, bound: int, batch: int) -> None:
        self.world, self.bound, self.batch = world, bound, batch
        self.ready: list[Group] = []
        self.issued = 0
        self.busy = False
        world.finished, world.lost = self.ready.append, world.send

    def tick(self) -> None:
        while self.issued < (self.bound + self.world.version + 1) * self.batch:
            self.issued += 1
            self.world.send(Group(plan=-1))
        if not self.busy and len(self.ready) >= self.batch:
            groups = self.ready[: self.batch]
            del self.ready[: self.batch]
            self.busy = True
            self.world.train(groups, self._trained)

    def _trained(self) -> None:
        self.busy = False


def simulate_tickets(
    world: World,
    bound: int,
    depth: int | None,
    *,
    sizes: list[int],
    drop_rate: float = 0.0,
    late_share: float = 0.0,
) -> TicketRule:
    rule = TicketRule(world, Tickets(bound, depth), sizes=sizes, drop_rate=drop_rate, late_share=late_share)
    world.run(until=lambda: world.version == len(sizes), tick=rule.tick)
    return rule


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    bound=st.integers(0, 4),
    depth=st.none() | st.integers(0, 6),
    num_engines=st.integers(1, 4),
    sigma=st.floats(0.1, 2.0),
    load_s=st.floats(0.01, 3.0),
    failure_rate=st.sampled_from([0.0, 0.02, 0.1]),
    drop_rate=st.sampled_from([0.0, 0.3, 0.8]),
    late_share=st.sampled_from([0.0, 0.25, 0.9]),
    sizes=st.lists(st.integers(1, 12), min_size=4, max_size=25),
)
def test_no_timing_exceeds_the_bound(
    seed: int,
    bound: int,
    depth: int | None,
    num_engines: int,
    sigma: float,
    load_s: float,
    failure_rate: float,
    drop_rate: float,
    late_share: float,
    sizes: list[int],
) -> None:
    world = World(seed=seed, num_engines=num_engines, sigma=sigma, load_s=load_s, failure_rate=failure_rate)
    simulate_tickets(world, bound, depth, sizes=sizes, drop_rate=drop_rate, late_share=late_share)
    assert 0 <= min(world.staleness) <= max(world.staleness) <= bound
    assert len(world.staleness) == sum(sizes), "every planned group is trained exactly once"
    if late_share == 0:
        assert max(world.staleness) <= min(bound, depth if depth is not None else bound), (
            "the depth alone bounds whole batches"
        )


@pytest.mark.parametrize("bound", [0, 1, 2, 3])
def test_the_bound_is_reached(bound: int) -> None:
    world = World(seed=1, num_engines=2, train_s=3.0)
    simulate_tickets(world, bound, None, sizes=[8] * 30)
    assert max(world.staleness) == bound


def test_zero_trains_every_token_on_the_weights_that_sampled_it() -> None:
    world = World(seed=3, num_engines=3, load_s=2.0, failure_rate=0.05)
    simulate_tickets(world, 0, None, sizes=[5, 1, 9] * 8, drop_rate=0.3)
    assert set(world.staleness) == {0}


def test_stragglers_roll_over_and_are_drawn_again_when_too_old() -> None:
    world = World(seed=4, num_engines=2, sigma=2.0)
    rule = simulate_tickets(world, 1, None, sizes=[8] * 60, late_share=0.5)
    assert rule.reissued > 0
    assert max(world.staleness) == 1


def test_a_capacity_count_exceeds_the_bound_in_the_same_world() -> None:
    world = World(seed=0, num_engines=2, sigma=1.0)
    rule = CapacityRule(world, bound=1, batch=32)
    world.run(until=lambda: world.version == 60, tick=rule.tick)
    assert max(world.staleness) > 1

    same = World(seed=0, num_engines=2, sigma=1.0)
    simulate_tickets(same, 1, None, sizes=[32] * 60)
    assert max(same.staleness) == 1
