"""Verifier pools on Ray actors, seen from the controller: groups go to the idlest actor, and a lost actor is
replaced."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from rl.config.verifiers import VerifiersConfig
from rl.records.status import ActorState
from rl.stream.background import in_background
from rl.stream.waiting import StreamTimeout, wait_for
from rollout.types import Failure, Prompt, RewardResult

logger = logging.getLogger(__name__)
PING_EVERY_S = 5.0
"""While a group is judged, its actor is asked so often whether it is there."""
PING_TIMEOUT_S = 20.0
MAX_TRIES = 2
"""Actors that a group may lose; a group that loses more is taken for the reason."""
CLOSE_TIMEOUT_S = 10.0


class VerifiersDead(RuntimeError):
    """No restart is left; nothing can be judged, so the run ends."""


class _Seat:
    """Where one actor is, or its successor will be."""

    def __init__(self) -> None:
        self.actor: Any = None
        self.groups = 0
        self.metrics: dict[str, float] = {}
        self.lost_metrics: Counter[str] = Counter()
        """Metrics of the actors that were here before."""


class RayVerifiers:
    """Scores whole groups; a :class:`~rollout.types.GroupScorer`.

    At most ``workers`` groups are at an actor; others wait here. A group whose actor dies or falls silent is
    judged again by another one: verdicts are pure. If that is lost, too, its completions are not judged, with
    the reason ``lost``.

    Args:
        config: The section.
        make_actor: Creates an actor around ``VerifierHost``.
    """

    def __init__(self, config: VerifiersConfig, make_actor: Callable[[], Any]) -> None:
        self._config, self._make_actor = config, make_actor
        self._seats = [_Seat() for _ in range(config.actors)]
        self._free = asyncio.Condition()
        self._returning: set[asyncio.Task[None]] = set()
        self._coming: set[_Seat] = set()
        """Seats whose new actor is not up yet."""
        self._restarts = 0
        self._lost = 0
        self._fatal: VerifiersDead | None = None

    def metrics(self) -> dict[str, float]:
        """The pools' counts, summed; ``reward/lost`` completions that no actor lived to judge,
        ``reward_actors/restarts``."""
        total: Counter[str] = Counter()
        for seat in self._seats:
            total.update(seat.metrics)
            total.update(seat.lost_metrics)
        return {**total, "reward/lost": float(self._lost), "reward_actors/restarts": float(self._restarts)}

    def actors(self) -> list[ActorState]:
        """State of every actor."""
        return [self._state(index, seat) for index, seat in enumerate(self._seats)]

    def _state(self, index: int, seat: _Seat) -> ActorState:
        if seat.actor is None:
            state = "lost" if self._fatal is not None else "starting"
        else:
            state = "returning" if seat in self._coming else "live"
        detail = f"{seat.groups} groups" if state == "live" else ""
        return ActorState(name=f"verifier-{index}", kind="verifier", state=state, detail=detail)

    async def start(self) -> None:
        """Bring every actor up; ready to score when it returns.

        Raises:
            ValueError: The reward cannot be built.
            StreamTimeout: An actor did not come up in time, or there is no place for it.
        """
        actors = [self._make_actor() for _ in self._seats]
        for seat, actor in zip(self._seats, actors, strict=True):
            seat.actor = actor
        await asyncio.gather(*(self._begin(actor) for actor in actors))

    async def score(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        """[G] results, in order.

        Raises:
            VerifiersDead: No restart is left.
        """
        for _ in range(MAX_TRIES):
            seat = await self._take()
            actor = seat.actor
            try:
                results = await self._ask(seat, actor, prompt, texts, truncated)
            except (RayActorError, StreamTimeout) as error:
                self._lose(seat, actor, error)
            except RayTaskError as error:
                raise error.as_instanceof_cause() from error
            else:
                return results
            finally:
                await self._leave(seat)
        self._lost += len(texts)
        return [RewardResult.unjudged("lost", Failure.LOST) for _ in texts]

    async def _take(self) -> _Seat:
        async with self._free:
            while True:
                if self._fatal is not None:
                    raise self._fatal
                up = [
                    seat
                    for seat in self._seats
                    if seat.actor is not None and seat.groups < self._config.workers
                ]
                if up:
                    seat = min(up, key=lambda one: one.groups)
                    seat.groups += 1
                    return seat
                await self._free.wait()

    async def _leave(self, seat: _Seat) -> None:
        async with self._free:
            seat.groups -= 1
            self._free.notify_all()

    async def _ask(
        self, seat: _Seat, actor: Any, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        """The actor's results; the pool in it keeps the time of completions, and pings show that it does."""
        answer = asyncio.ensure_future(_result(actor.score.remote(prompt, list(texts), list(truncated))))
        try:
            while not (await asyncio.wait({answer}, timeout=PING_EVERY_S))[0]:
                await wait_for(
                    actor.ping.remote(), PING_TIMEOUT_S, "a verifier actor to say that it is there"
                )
            results, metrics = answer.result()
        finally:
            answer.cancel()
        if seat.actor is actor:
            seat.metrics = metrics
        return results

    def _lose(self, seat: _Seat, actor: Any, error: BaseException) -> None:
        """Kill the actor and have a new one made; the first of its groups to notice does so."""
        if seat.actor is not actor:
            return
        seat.actor = None
        ray.kill(actor)
        seat.lost_metrics.update(seat.metrics)
        seat.metrics = {}
        self._restarts += 1
        logger.error("verifier actor lost (%s); restart %d", _last_line(error), self._restarts)
        if self._restarts > self._config.max_restarts:
            self._fatal = VerifiersDead(
                f"verifier actors were lost {self._restarts} times"
                f" (verifiers.max_restarts={self._config.max_restarts}), lastly: {_last_line(error)}; look at"
                " logs/ray of the run"
            )
            return
        task = in_background("verifiers", self._return(seat), what="restarting a verifier actor")
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _return(self, seat: _Seat) -> None:
        actor = self._make_actor()
        seat.actor = actor
        self._coming.add(seat)
        seat.groups += self._config.workers  # full until it is up
        try:
            await self._begin(actor)
        except (RayActorError, StreamTimeout, ValueError) as error:
            self._lose(seat, actor, error)
        finally:
            self._coming.discard(seat)
            async with self._free:
                seat.groups -= self._config.workers
                self._free.notify_all()

    async def _begin(self, actor: Any) -> None:
        what = f"a verifier actor (it needs {self._config.actor_cpus:g} CPU of the Ray cluster)"
        try:
            # Twice: a worker process of Ray's, then the verifiers'.
            await wait_for(actor.start.remote(), 2 * self._config.start_timeout_s, what)
        except RayTaskError as error:
            # The user's mistake in its own words; Ray's version of it is the whole remote traceback.
            raise (
                error.cause if isinstance(error.cause, ValueError) else error.as_instanceof_cause()
            ) from error

    async def close(self) -> None:
        """End the actors and their verifiers; idempotent."""
        for task in self._returning:
            task.cancel()
        await asyncio.gather(*self._returning, return_exceptions=True)
        actors = [seat.actor for seat in self._seats if seat.actor is not None]
        for seat in self._seats:
            seat.actor = None
        closing = (wait_for(actor.close.remote(), CLOSE_TIMEOUT_S, "verifiers to close") for actor in actors)
        await asyncio.gather(*closing, return_exceptions=True)
        for actor in actors:
            ray.kill(actor)


async def _result(reference: Any) -> tuple[list[RewardResult], dict[str, float]]:
    answer: tuple[list[RewardResult], dict[str, float]] = await reference
    return answer


def _last_line(error: BaseException) -> str:
    """Ray's errors carry whole remote tracebacks; the last line is the cause."""
    lines = str(getattr(error, "cause", None) or error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
