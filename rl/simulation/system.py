"""The four loops of ``rl.run.controller`` in simulated time: plans, rollouts, batches, learner, with the real
step tickets between them."""

import heapq
import math
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from rl.engines.load import EngineLoad
from rl.simulation.engine import Engine
from rl.simulation.groups import Group, Lengths, Plan
from rl.simulation.pace import Bell, Pace
from rl.simulation.spec import SystemSpec
from rl.stream.tickets import Tickets

Process = Generator[simpy.Event, Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One training step. Seconds, and shares between 0 and 1."""

    step: int
    began: float
    step_s: float
    wait_s: float
    """The learner had nothing to train on."""
    train_s: float
    engine_idle_share: float
    staleness: tuple[int, ...]
    """One for every group that trained."""
    rollouts: int
    """Trained."""
    tokens: int
    """Counts their completions."""
    discarded: int
    """Tokens sampled in vain since the last step: of groups dropped, cut off, too old, or lost with an
    engine."""


class System:
    """One run. ``run`` gives its steps; a second call would go on where nothing is left."""

    def __init__(self, spec: SystemSpec, *, seed: int = 0, stretches: int = 400) -> None:
        """``stretches``: an engine's work on the longest completion is cut into at most so many pieces."""
        self.spec = spec
        self._env = simpy.Environment()
        self._rng = np.random.default_rng(seed)
        self._lengths = Lengths(spec.lengths, self._rng)
        self._tickets = Tickets(spec.plan.max_staleness, spec.plan.pipeline_depth)
        self._bell = Bell(self._env)
        self._plans: dict[int, Plan] = {}
        self._arrived: list[Group] = []
        """Finished and kept groups that nothing consumed yet; of ``plan.order=arrival``."""
        self._batches: simpy.Store = simpy.Store(self._env, capacity=1)
        self._discarded = 0
        self.version = 0
        self._pushed = 0
        """The newest weights that engines were given."""
        self.counts: Counter[str] = Counter()
        self.steps: list[Step] = []
        capacity = spec.layout.cores if spec.layout.kind == "cores" else None
        self._shared = Pace(self._env, capacity=capacity)
        self._workers = [0.0] * spec.verifiers.workers
        """When each verifier is free again."""
        self._load = EngineLoad(
            num_engines=spec.engines.count,
            capacity=spec.engines.max_num_seqs,
            clock=lambda: float(self._env.now),
        )
        self.engines = [self._engine(index, stretches) for index in range(spec.engines.count)]

    def run(self, steps: int) -> list[Step]:
        """So many training steps, from an empty pipeline."""
        self._planned = steps
        self._env.process(self._prompts_loop())
        self._env.process(self._batches_loop())
        learner = self._env.process(self._learner_loop())
        if self.spec.faults.gpu_mtbf_hours:
            for engine in self.engines:
                self._env.process(self._engine_faults(engine))
        self._env.run(until=learner)
        return self.steps

    # -- parts -----------------------------------------------------------------------------------------------

    def _engine(self, index: int, stretches: int) -> Engine:
        spec = self.spec
        shared = {
            "split": False,
            "colocated": True,
            "hybrid": index < spec.layout.shared_engines,
            "cores": True,
        }[spec.layout.kind]
        slow = index < round(spec.faults.slow_share * spec.engines.count)
        longest = max(1, math.ceil(spec.lengths.max_tokens / stretches))
        return Engine(
            self._env,
            index=index,
            cost=spec.engine_cost(),
            max_num_seqs=spec.engines.max_num_seqs,
            kv_tokens=spec.engines.kv_tokens,
            pace=self._shared if shared else Pace(self._env),
            on_done=self._sampled,
            slowness=spec.faults.slow_factor if slow else 1.0,
            fixed_s=spec.engines.fixed_s,
            stretch=(max(1, longest // 8), longest),
        )

    # -- prompts and rollouts --------------------------------------------------------------------------------

    def _prompts_loop(self) -> Process:
        plan = self.spec.plan
        while self._tickets.next_step < self._planned:
            yield from self._bell.until(self._tickets.can_issue)
            step = self._tickets.issue()
            self._plans[step] = Plan(step, needed=plan.prompts_per_step)
            self._draw(self._plans[step], math.ceil(plan.prompts_per_step * (1 + plan.oversample)))

    def _draw(self, plan: Plan, count: int) -> None:
        for lengths in self._lengths.draw(count, self.spec.plan.rollouts_per_prompt):
            group = Group(plan=plan.step, lengths=lengths, prompt=self.spec.lengths.prompt_tokens)
            plan.groups.append(group)
            self._send(group)
        self._bell.ring()

    def _send(self, group: Group) -> None:
        live = [engine for engine in self.engines if engine.live]
        if not live:
            self._env.process(self._send_later(group))
            return
        engine = min(live, key=lambda one: (one.outstanding, one.index))
        self._load.sent(engine.index, len(group.lengths))
        engine.send(group)

    def _send_later(self, group: Group) -> Process:
        yield from self._bell.until(lambda: any(engine.live for engine in self.engines))
        self._send(group)

    def _sampled(self, engine: Engine, group: Group) -> None:
        """An engine gave a group back."""
        self._load.done(engine.index, len(group.lengths))
        if self.spec.verifiers.seconds or self.spec.engines.overhead_s:
            self._env.process(self._judge(group))
        else:
            self._finish(group)

    def _judge(self, group: Group) -> Process:
        if self.spec.engines.overhead_s:
            yield self._env.timeout(self.spec.engines.overhead_s)
        yield self._env.timeout(self._verdicts_at(len(group.lengths)) - self._env.now)
        self._finish(group)

    def _verdicts_at(self, completions: int) -> float:
        """When the last of so many completions that come now is judged: each takes the worker that is free
        first."""
        ends = []
        for _ in range(completions):
            free = max(self._env.now, heapq.heappop(self._workers))
            ends.append(free + self.spec.verifiers.seconds)
            heapq.heappush(self._workers, ends[-1])
        return max(ends)

    def _finish(self, group: Group) -> None:
        group.finished = True
        group.kept = bool(self._rng.random() < self.spec.plan.keep_share)
        if not group.kept or group.cut:
            self._discarded += group.tokens
            self.counts["dropped"] += not group.cut
            if self.spec.plan.order == "arrival":
                self._draw(self._plans[group.plan], 1)
        elif self.spec.plan.order == "arrival":
            self._arrived.append(group)
        self._bell.ring()

    # -- batches ---------------------------------------------------------------------------------------------

    def _batches_loop(self) -> Process:
        by_plan = self.spec.plan.order == "plan"
        for step in range(self._planned):
            groups = yield from self._whole(step) if by_plan else self._first_arrived(step)
            yield self._batches.put(groups)

    def _whole(self, step: int) -> Process:
        """Groups of plan ``step`` once it is whole: refilled, late ones moved on, those in excess cut off."""
        while True:
            yield from self._bell.until(lambda: self._closable(step))
            plan = self._plans[step]
            late = [group for group in plan.groups if not group.finished]
            if self.spec.plan.oversample:
                self._cut(late)
            elif late:
                self._roll_over(plan, late)
            missing = plan.missing()
            if (
                missing > 0
                and plan.refill_round < self.spec.plan.refill_rounds
                and not self.spec.plan.oversample
            ):
                plan.refill_round += 1
                plan.refilled += missing
                self._draw(plan, missing)
                continue
            kept = [group for group in plan.groups if group.finished and group.kept]
            self.counts["short"] += max(0, plan.needed - len(kept))
            del self._plans[step]
            return kept

    def _closable(self, step: int) -> bool:
        plan = self._plans.get(step)
        if plan is None:
            return False
        late = len(plan.groups) - plan.num_finished
        if late == 0:
            return True
        if self.spec.plan.oversample:
            return sum(group.kept for group in plan.groups) >= plan.needed
        return step + 1 in self._plans and late <= self.spec.plan.rollover_share * len(plan.groups)

    def _cut(self, late: list[Group]) -> None:
        for group in late:
            group.cut = True
            if group.left:  # else it is being judged, and is thrown away when that is done
                self._stop(group)
            self.counts["cut"] += 1

    def _stop(self, group: Group) -> None:
        """Its engine drops a group."""
        self._load.done(group.engine, len(group.lengths))
        self.engines[group.engine].cut(group)
        # What it had sampled is not counted token by token; half is the mean of a uniform age.
        self._discarded += group.tokens // 2

    def _roll_over(self, plan: Plan, late: list[Group]) -> None:
        """Late groups go to the next plan; one that would be too old there is sampled anew."""
        for group in late:
            plan.groups.remove(group)
            group.plan = plan.step + 1
            self._plans[plan.step + 1].groups.append(group)
            self.counts["rolled_over"] += 1
            began = group.version >= 0
            if began and not self._tickets.is_fresh(step=plan.step + 1, min_policy_version=group.version):
                self.counts["stale"] += 1
                if group.left:
                    self._stop(group)
                    self._send(group)

    def _first_arrived(self, step: int) -> Process:
        """The first groups to finish that are not too old; one that is too old is sampled anew."""
        need = self.spec.plan.prompts_per_step
        while True:
            fresh: list[Group] = []
            stale: list[Group] = []
            for group in self._arrived:
                is_fresh = self._tickets.is_fresh(step=step, min_policy_version=group.version)
                (fresh if is_fresh else stale).append(group)
            self._arrived = fresh
            for group in stale:
                self._discarded += group.tokens
                self.counts["stale"] += 1
                self._send(Group(plan=step, lengths=group.lengths, prompt=group.prompt))
            if len(fresh) >= need:
                self._arrived = fresh[need:]
                return fresh[:need]
            yield from self._more_than(len(fresh))

    def _more_than(self, seen: int) -> Process:
        yield from self._bell.until(lambda: len(self._arrived) > seen)

    # -- learner ---------------------------------------------------------------------------------------------

    def _learner_loop(self) -> Process:
        spec = self.spec
        push: simpy.Event | None = None
        while self.version < self._planned:
            began = self._env.now
            groups = yield self._batches.get()
            wait_s = self._env.now - began
            started = self._env.now
            yield from self._train(groups)
            train_s = self._env.now - started
            self.version += 1
            if self.version % spec.sync.every == 0:
                yield self._env.timeout(spec.sync.publish_s)
                if push is not None:
                    yield push
                push = self._env.process(self._push(self.version))
            if spec.checkpoint.every and self.version % spec.checkpoint.every == 0:
                yield self._env.timeout(spec.checkpoint.save_s)
            if spec.learner.other_s:
                yield self._env.timeout(spec.learner.other_s)
            self._record(began, wait_s, train_s, groups)
        if push is not None:
            yield push

    def _train(self, groups: list[Group]) -> Process:
        spec = self.spec
        tokens = sum(group.tokens + group.prompt * len(group.lengths) for group in groups)
        seconds = spec.train_s(tokens)
        if spec.faults.jitter:
            seconds *= float(np.exp(spec.faults.jitter * self._rng.standard_normal()))
        if spec.layout.kind == "cores":
            yield self._env.all_of([self._shared.work(seconds) for _ in range(spec.learner.ranks)])
            return
        turns = spec.layout.kind != "split"
        if turns:
            self._shared.hold()
            seconds += 2 * spec.layout.switch_s
        yield self._env.timeout(seconds)
        if turns:
            self._shared.release()

    def _push(self, version: int) -> Process:
        spec = self.spec
        if self._tickets.depth == 1 and spec.plan.push_at_share < 1:
            enough = spec.plan.push_at_share * spec.rollouts
            yield from self._bell.until(lambda: sum(e.outstanding for e in self.engines) <= enough)
        self._pushed = version
        loads = [
            engine.load(
                version,
                spec.sync.push_s,
                in_flight=spec.sync.in_flight,
                prefill=spec.sync.prefill_again,
            )
            for engine in self.engines
            if engine.live
        ]
        yield self._env.all_of(loads)
        self._tickets.confirm(version)
        self._bell.ring()

    def _record(self, began: float, wait_s: float, train_s: float, groups: list[Group]) -> None:
        step = self.version - 1
        self.steps.append(
            Step(
                step=step,
                began=began,
                step_s=self._env.now - began,
                wait_s=wait_s,
                train_s=train_s,
                engine_idle_share=self._load.metrics().get("time/engine_idle_share", 0.0),
                staleness=tuple(step - group.version for group in groups),
                rollouts=sum(len(group.lengths) for group in groups),
                tokens=sum(group.tokens for group in groups),
                discarded=self._discarded,
            )
        )
        self._discarded = 0

    # -- faults ----------------------------------------------------------------------------------------------

    def _engine_faults(self, engine: Engine) -> Process:
        """An engine is lost whenever one of its devices is; its groups are sampled again elsewhere."""
        faults = self.spec.faults
        mean_s = faults.gpu_mtbf_hours * 3600 / self.spec.engines.gpus
        while True:
            yield self._env.timeout(self._rng.exponential(mean_s))
            self.counts["engine_failures"] += 1
            lost = engine.die()
            for group in lost:
                self._load.done(engine.index, len(group.lengths))
                self._discarded += (len(group.lengths) - group.left) * group.tokens // len(group.lengths)
            for group in lost:
                self._send(group)
            yield self._env.timeout(faults.engine_recovery_s)
            engine.revive(self._pushed)
            self._bell.ring()
