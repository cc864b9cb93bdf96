"""Awaiting with a name."""

import asyncio
import time

import pytest

from rl.stream import waiting
from rl.stream.waiting import Signal, StreamTimeout, wait_for


def test_a_timeout_names_what_it_waited_for():
    with pytest.raises(StreamTimeout, match=r"waited 0\.01 s for plan 3"):
        asyncio.run(wait_for(asyncio.sleep(5), 0.01, "plan 3"))


def test_a_cancellation_that_meets_a_notification_still_cancels():
    async def scenario():
        signal = Signal()
        task = asyncio.create_task(signal.until(lambda: False, timeout_s=60, what="what never comes"))
        await asyncio.sleep(0)
        signal.notify()
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=2)
        return bool(done) and task.cancelled()

    assert asyncio.run(scenario())


def test_no_limit_runs_out_while_the_clock_is_stopped():
    async def run() -> None:
        signal = Signal()

        async def evaluate() -> None:
            with signal.stopped_clock():
                await asyncio.sleep(0.1)

        evaluation = asyncio.create_task(evaluate())
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        with pytest.raises(StreamTimeout, match="batch 3"):
            await signal.until(lambda: False, timeout_s=0.02, what="batch 3")
        assert asyncio.get_running_loop().time() - began >= 0.1, (
            "it waited the evaluation out, and then its own limit"
        )
        await evaluation

    asyncio.run(run())


def test_a_limit_starts_anew_for_a_process_that_stood_still(monkeypatch):
    monkeypatch.setattr(waiting, "STANDSTILL_S", 0.2)

    async def run() -> str:
        answer = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.85, answer.set_result, "the answer")
        asyncio.get_running_loop().call_soon(time.sleep, 0.8)
        return await wait_for(answer, 0.5, "an answer")

    assert asyncio.run(run()) == "the answer"


def test_it_still_runs_out_afterwards(monkeypatch):
    monkeypatch.setattr(waiting, "STANDSTILL_S", 0.2)

    async def run() -> None:
        asyncio.get_running_loop().call_soon(time.sleep, 0.5)
        await wait_for(asyncio.get_running_loop().create_future(), 0.1, "an answer")

    began = time.monotonic()
    with pytest.raises(StreamTimeout, match="an answer"):
        asyncio.run(run())
    assert time.monotonic() - began >= 0.6, "the standstill, and then its own limit"
