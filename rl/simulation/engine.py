"""One rollout engine in simulated time: continuous batching, a limit on sequences and on cache, weights that
arrive between two steps."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import simpy

from planner.cost.serving import ServingCost
from rl.simulation.groups import Group
from rl.simulation.pace import Bell, Pace

Process = Generator[simpy.Event, Any, Any]


class Engine:
    """Decodes the running sequences in stretches of a few tokens, between which sequences come, go, and
    weights change.

    A stretch ends at the next end of a sequence, but plans for no fewer than ``shortest`` and no more than
    ``longest`` tokens; a sequence that ends inside one is done at its end. New groups and new weights end it
    early.
    """

    def __init__(
        self,
        env: simpy.Environment,
        *,
        index: int,
        cost: ServingCost,
        max_num_seqs: int,
        kv_tokens: int,
        pace: Pace,
        on_done: Callable[["Engine", Group], None],
        slowness: float = 1.0,
        fixed_s: float = 0.0,
        stretch: tuple[int, int] = (1, 1),
    ) -> None:
        """``on_done`` hears of every group whose last token was sampled; ``stretch``: (shortest, longest)."""
        self.index, self.version, self.live = index, 0, True
        self.outstanding = 0
        """Rollouts that it has to do; what routing goes by."""
        self._env, self._cost, self._pace, self._on_done = env, cost, pace, on_done
        self._max_num_seqs, self._kv_tokens = max_num_seqs, kv_tokens
        self._slowness, self._fixed_s, self._stretch = slowness, fixed_s, stretch
        self._waiting: deque[tuple[Group, int, int, int]] = deque()
        """(group, its epoch, tokens to come, tokens that it has)."""
        self._running: list[tuple[float, int, Group, int, float]] = []
        """Heap of (end on the token clock, serial, group, epoch, context minus token clock)."""
        self._clock = 0
        self._serial = 0
        self._base = 0.0
        """Sum of context minus token clock, over the running sequences."""
        self._life = 0
        self._has_cut = False
        self._updates: list[tuple[int, float, bool, bool, simpy.Event]] = []
        self._bell = Bell(env)
        self.sampled = 0
        """Tokens."""
        self.preemptions = 0
        env.process(self._serve())

    def send(self, group: Group) -> None:
        """Sample a group."""
        group.send(self.index)
        self.outstanding += len(group.lengths)
        self._waiting.extend((group, group.epoch, length, 0) for length in group.lengths)
        self._bell.ring()

    def cut(self, group: Group) -> None:
        """Drop what is left of a group."""
        self.outstanding -= group.left
        group.epoch += 1
        self._has_cut = True

    def load(self, version: int, seconds: float, *, in_flight: bool, prefill: bool) -> simpy.Event:
        """Weights arrive; the event comes when the engine serves them. Not ``in_flight``: it finishes what
        runs first. ``prefill``: what runs on is prefilled again."""
        loaded = self._env.event()
        self._updates.append((version, seconds, in_flight, prefill, loaded))
        self._bell.ring()
        return loaded

    def die(self) -> list[Group]:
        """Lose everything; returns the groups that it had, to be sent elsewhere."""
        lost = [item[0] for item in self._waiting if item[1] == item[0].epoch]
        lost += [item[2] for item in self._running if item[3] == item[2].epoch]
        self.live, self.outstanding, self._base = False, 0, 0.0
        self._life += 1
        self._waiting.clear()
        self._running.clear()
        for *_, loaded in self._updates:
            loaded.succeed()
        self._updates.clear()
        return list(dict.fromkeys(lost))

    def revive(self, version: int) -> None:
        """Serve again."""
        self.live, self.version = True, version

    # -- inside ----------------------------------------------------------------------------------------------

    def _serve(self) -> Process:
        while True:
            life = self._life
            if self._updates and (self._updates[0][2] or not self._running):
                yield from self._update(life)
                continue
            idle = not self._running
            prompts = self._admit() if not self._updates else []
            if not self._running:
                yield from self._bell.until(
                    lambda: bool(self._updates) or (self.live and bool(self._waiting))
                )
                continue
            seconds, tokens = self._seconds(prompts)
            seconds += self._fixed_s if idle else 0.0
            tokens = yield from self._decode(seconds * self._slowness, tokens)
            if life == self._life:
                self._advance(tokens)

    def _decode(self, seconds: float, tokens: int) -> Process:
        """Work on a stretch; returns its tokens. What arrives meanwhile is taken up after the token that is
        being decoded, where there is a seat for it, as the engine does."""
        work = self._pace.work(seconds)
        while tokens > 1 and not work.triggered:
            yield work | self._bell.next
            if work.triggered:
                return tokens
            if self._updates or len(self._running) < self._max_num_seqs:
                share = 1 - self._pace.stop(work) / seconds
                done = min(tokens, max(1, math.ceil(tokens * share - 1e-9)))
                yield self._pace.work(max(0.0, seconds * (done / tokens - share)))
                return done
        if not work.processed:
            yield work
        return tokens

    def _update(self, life: int) -> Process:
        version, seconds, _, prefill, loaded = self._updates.pop(0)
        if prefill and self._running:
            contexts = self._base + len(self._running) * self._clock
            seconds += self._cost.prefill_work_s(contexts / len(self._running)) * len(self._running)
        yield self._env.timeout(seconds)
        if life == self._life:
            self.version = version
        loaded.succeed()

    def _admit(self) -> list[float]:
        """Start sequences that wait; returns the tokens to prefill of each. The prompt of a group is computed
        once."""
        prompts: list[float] = []
        last: Group | None = None
        used = self._base + len(self._running) * self._clock
        while self._waiting and len(self._running) < self._max_num_seqs:
            group, epoch, left, has = self._waiting[0]
            context = group.prompt + has
            if self._kv_tokens and self._running and used + context > self._kv_tokens:
                break
            self._waiting.popleft()
            if epoch != group.epoch:
                continue
            if group.version < 0:
                group.version = self.version
            used += context
            self._serial += 1
            item = (self._clock + left, self._serial, group, epoch, context - self._clock)
            heapq.heappush(self._running, item)
            self._base += context - self._clock
            prompts.append(context if group is not last or has else 0.0)
            last = group
        return prompts

    def _seconds(self, prompts: list[float]) -> tuple[float, int]:
        """(seconds of the next stretch, its tokens)."""
        shortest, longest = self._stretch
        tokens = int(min(max(self._running[0][0] - self._clock, shortest), longest))
        batch = len(self._running)
        context = self._base / batch + self._clock + tokens / 2
        seconds = tokens * self._cost.step_s(batch, context)
        whole = [prompt for prompt in prompts if prompt]
        return seconds + sum(self._cost.prefill_work_s(prompt) for prompt in whole), tokens

    def _advance(self, tokens: int) -> None:
        self._clock += tokens
        while self._running and self._running[0][0] <= self._clock:
            _, _, group, epoch, base = heapq.heappop(self._running)
            self._base -= base
            if epoch != group.epoch:
                continue
            self.outstanding -= 1
            group.left -= 1
            if group.left == 0:
                self.sampled += group.tokens
                self._on_done(self, group)
        self._drop_cut()
        while (
            self._kv_tokens
            and len(self._running) > 1
            and self._base + len(self._running) * self._clock > self._kv_tokens
        ):
            self._preempt()

    def _drop_cut(self) -> None:
        """Forget running sequences of groups that were cut off or reset."""
        if self._has_cut:
            self._has_cut = False
            self._running = [item for item in self._running if item[3] == item[2].epoch]
            heapq.heapify(self._running)
            self._base = sum(item[4] for item in self._running)

    def _preempt(self) -> None:
        """The youngest sequence waits again, with the tokens that it has."""
        at = max(range(len(self._running)), key=lambda i: self._running[i][1])
        end, _, group, epoch, base = self._running[at]
        self._running[at] = self._running[-1]
        self._running.pop()
        heapq.heapify(self._running)
        self._base -= base
        self._waiting.appendleft(
            (group, epoch, int(end - self._clock), int(base + self._clock - group.prompt))
        )
        self.preemptions += 1
