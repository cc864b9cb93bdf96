"""Verifier pools on real Ray actors: hangs, killed verifiers, killed and silent actors, a reward that cannot
be built."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import ray

from rl.config.load import load_config
from rl.scorers.verifiers import client as client_module
from rl.scorers.verifiers import make_verifiers
from rl.scorers.verifiers.client import RayVerifiers, VerifiersDead
from rollout.types import Failure, Prompt, RewardResult

pytestmark = pytest.mark.usefixtures("ray_runtime")
HOSTILE = "hostile:CommandReward"
PROMPT = Prompt(id="p", text="?", token_ids=(1, 2), answer="42", metadata={"level": 3, "names": ["a"]})


@asynccontextmanager
async def running(reward: str = HOSTILE, **settings: Any) -> AsyncIterator[RayVerifiers]:
    given = {"placement": "ray", "cpus": 1, "timeout_s": 2, "cache": 0, **settings}
    config = load_config("quickstart", [f"verifiers.{name}={value}" for name, value in given.items()])
    verifiers = make_verifiers(config, reward, {})
    assert isinstance(verifiers, RayVerifiers)
    await verifiers.start()
    try:
        yield verifiers
    finally:
        await verifiers.close()


def actors_of(verifiers: RayVerifiers) -> list[Any]:
    return [seat.actor for seat in verifiers._seats if seat.actor is not None]


async def score(verifiers: RayVerifiers, *texts: str) -> list[RewardResult]:
    return await asyncio.wait_for(verifiers.score(PROMPT, texts, [False] * len(texts)), 90)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_verdicts_hangs_and_counts() -> None:
    async def scenario() -> None:
        async with running(actors=2) as verifiers:
            groups = await asyncio.gather(
                *(score(verifiers, "a", "wrong", "hang" if i == 3 else "bb") for i in range(8))
            )
            assert [[r.reason for r in group] for group in groups] == [
                ["", "wrong", "timeout" if i == 3 else ""] for i in range(8)
            ]
            assert groups[0][2].components == {"length": 2.0}
            echoed = await score(verifiers, "echo")
            assert echoed[0].reason == repr(("42", {"level": 3, "names": ["a"]}, (1, 2)))
            counts = verifiers.metrics()
            assert (
                counts["reward/completions"],
                counts["reward/timeouts"],
                counts["reward_actors/restarts"],
            ) == (25.0, 1.0, 0.0)

    asyncio.run(scenario())


def test_a_killed_verifier_costs_its_own_sample() -> None:
    async def scenario() -> None:
        async with running(timeout_s=30) as verifiers:
            [pid] = await actors_of(verifiers)[0].pids.remote()
            judging = asyncio.create_task(score(verifiers, "a", "sleep 20", "bb"))
            await asyncio.sleep(1.0)
            os.kill(pid, signal.SIGKILL)
            assert [r.reason for r in await judging] == ["", "crash", ""]
            assert verifiers.metrics()["reward_actors/restarts"] == 0.0

    asyncio.run(scenario())


def test_a_killed_actor_costs_time_and_no_sample() -> None:
    async def scenario() -> None:
        async with running(actors=2, timeout_s=30) as verifiers:
            [pid] = await actors_of(verifiers)[0].pids.remote()
            groups = [asyncio.create_task(score(verifiers, "a", "sleep 3", "wrong")) for _ in range(4)]
            await asyncio.sleep(1.0)
            # the actor: parent of the template, which forked the verifier
            os.kill(parent_of(parent_of(pid)), signal.SIGKILL)
            scored = await asyncio.gather(*groups)
            assert [[r.reason for r in group] for group in scored] == [["", "", "wrong"]] * 4
            counts = verifiers.metrics()
            assert (counts["reward_actors/restarts"], counts["reward/lost"]) == (1.0, 0.0)
            assert not Path(f"/proc/{pid}").exists()  # its verifiers died with it
            deadline = time.monotonic() + 60
            while len(actors_of(verifiers)) < 2 or any(seat.groups for seat in verifiers._seats):
                assert time.monotonic() < deadline, "the actor did not come back"
                await asyncio.sleep(0.1)
            assert [r.reason for r in await score(verifiers, "a")] == [""]

    asyncio.run(scenario())


def test_a_group_that_loses_every_actor_gets_zeros_and_without_restarts_the_run_ends() -> None:
    async def scenario() -> None:
        async with running(max_restarts=1, timeout_s=60) as verifiers:
            judging = asyncio.create_task(score(verifiers, "sleep 50", "a"))
            killed: list[Any] = []
            for _ in range(2):
                while (
                    not (actors := actors_of(verifiers))
                    or actors[0] in killed
                    or not await actors[0].pids.remote()
                ):
                    await asyncio.sleep(0.1)
                # its verifier is up or will be in a moment, and then the group is at it
                await asyncio.sleep(2.0)
                killed.append(actors[0])
                ray.kill(actors[0])
            assert await judging == [RewardResult.unjudged("lost", Failure.LOST)] * 2
            assert verifiers.metrics()["reward/lost"] == 2.0
            with pytest.raises(VerifiersDead, match=r"lost 2 times \(verifiers.max_restarts=1\)"):
                await score(verifiers, "a")

    asyncio.run(scenario())


def test_a_silent_actor_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PING_EVERY_S", 0.5)
    monkeypatch.setattr(client_module, "PING_TIMEOUT_S", 3.0)

    async def scenario() -> None:
        async with running(timeout_s=30) as verifiers:
            [pid] = await actors_of(verifiers)[0].pids.remote()
            os.kill(parent_of(parent_of(pid)), signal.SIGSTOP)
            assert [r.reason for r in await score(verifiers, "a", "wrong")] == ["", "wrong"]
            assert verifiers.metrics()["reward_actors/restarts"] == 1.0

    asyncio.run(scenario())


def test_a_reward_that_cannot_be_built_is_said_at_the_start() -> None:
    async def scenario() -> None:
        async with running("hostile:broken"):
            pytest.fail("it started")

    with pytest.raises(ValueError, match=r"^RuntimeError at .*hostile.py:\d+: no model file$"):
        asyncio.run(scenario())
