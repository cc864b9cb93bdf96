"""The verifier pool looks after its processes: recycling, leaks, the template they are forked from; and it
remembers verdicts."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from rewards import modules_of
from rewards.processes import forker
from rewards.processes.pool import VerifierPool
from rewards.processes.verdict_cache import VerdictCache, keys_of
from rollout.types import Prompt, RewardResult

PROMPT = Prompt(id="p", text="?", token_ids=(1, 2), answer="42", metadata={"level": 3})
Say = Callable[[VerifierPool], Any]


def with_pool(reward: str, script: Say, **options: Any) -> Any:
    async def main() -> Any:
        pool = VerifierPool(
            reward, options.pop("reward_args", {}), **{"timeout_s": 5.0, "memory_mib": 2048, **options}
        )
        await pool.start()
        try:
            return await script(pool)
        finally:
            await pool.close()

    return asyncio.run(main())


async def values(pool: VerifierPool, *texts: str, prompt: Prompt = PROMPT) -> list[float]:
    return [r.value for r in await pool.score(prompt, texts, [False] * len(texts))]


def test_a_process_is_replaced_after_so_many_groups(hostile: str) -> None:
    async def script(pool: VerifierPool) -> tuple[list[int], dict[str, float]]:
        pids = []
        for number in range(7):
            assert await values(pool, f"ok {number}") == [1.0]
            pids += pool.pids
        return pids, pool.metrics()

    pids, metrics = with_pool(hostile, script, recycle_after=3, cache=0)
    assert len(set(pids)) in (2, 3)  # the last replacement may still be under way
    assert (metrics["reward/recycles"], metrics["reward/leaks"], metrics["reward/respawns"]) == (
        2.0,
        0.0,
        0.0,
    )


def test_a_process_that_grew_is_replaced_and_counted_as_a_leak(hostile: str) -> None:
    async def script(pool: VerifierPool) -> tuple[list[float], dict[str, float]]:
        kept = []
        for _ in range(6):
            kept += await values(pool, "30")
        return kept, pool.metrics()

    kept, metrics = with_pool("hostile:LeakyReward", script, recycle_mib=80, cache=0)
    assert kept == [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]  # each fresh process begins to hoard anew
    assert (metrics["reward/leaks"], metrics["reward/recycles"]) == (2.0, 2.0)


def test_zero_never_recycles(hostile: str) -> None:
    async def script(pool: VerifierPool) -> float:
        for _ in range(3):
            await values(pool, "30")
        return pool.metrics()["reward/recycles"]

    assert with_pool("hostile:LeakyReward", script, recycle_mib=0, recycle_after=0) == 0.0


def test_equal_completions_are_judged_once(hostile: str) -> None:
    async def script(pool: VerifierPool) -> tuple[list[list[float]], float]:
        scored = [await values(pool, "a", "b", "a"), await values(pool, "b", "c")]
        other = Prompt(id="p", text="?", token_ids=(1, 2), answer="42", metadata={"level": 4})
        scored += [await values(pool, "a", prompt=other)]
        scored += [[r.value for r in await pool.score(PROMPT, ["a"], [True])]]
        return scored, pool.metrics()["reward/cache_hits"]

    scored, hits = with_pool("hostile:CountingReward", script)
    assert scored == [[1.0, 2.0, 1.0], [2.0, 3.0], [4.0], [5.0]]
    assert hits == 2.0


def test_errors_are_not_remembered_and_the_oldest_verdict_goes(hostile: str) -> None:
    async def script(pool: VerifierPool) -> list[float]:
        asked = [await values(pool, text) for text in ("raise", "raise", "a", "b", "a", "c", "a", "b")]
        return [value for (value,) in asked]

    assert with_pool("hostile:CountingReward", script, cache=2) == [1.0, 2.0, 3.0, 4.0, 3.0, 5.0, 3.0, 6.0]


@pytest.mark.parametrize(
    ("reward", "options"),
    [("hostile:ImpureReward", {}), ("hostile:CountingReward", {"cache": 0})],
    ids=["not pure", "no cache"],
)
def test_without_a_promise_or_a_place_nothing_is_remembered(
    reward: str, options: dict[str, Any], hostile: str
) -> None:
    async def script(pool: VerifierPool) -> list[float]:
        return await values(pool, "a", "a") + await values(pool, "a")

    assert with_pool(reward, script, **options) == [1.0, 2.0, 3.0]


def test_a_cheap_reward_is_asked_again(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is cheap on an idle machine takes longer on a busy one.
    monkeypatch.setattr("rewards.processes.pool.CHEAP_S", 50e-3)

    async def script(pool: VerifierPool) -> float:
        for number in range(20):  # different texts, of which the pool learns what a verdict costs
            await values(pool, *(f"{number} {i}" for i in range(1000)))
        assert await values(pool, "again", "again") == [20001.0, 20002.0]
        return pool.metrics()["reward/cache_hits"]

    assert with_pool("hostile:CountingReward", script, reward_args={"seconds": 0.0}) == 0.0


def test_the_cache_keeps_what_was_asked_for_last() -> None:
    cache = VerdictCache(2)
    a, b, c = (RewardResult(value=float(i), correct=True) for i in range(3))
    cache.put(b"a", a)
    cache.put(b"b", b)
    assert cache.get(b"a") == a
    cache.put(b"c", c)
    assert (cache.get(b"a"), cache.get(b"b"), cache.get(b"c")) == (a, None, c)


def test_a_key_is_of_all_that_a_reward_sees() -> None:
    base = keys_of(PROMPT, ["a", "a", "b", "\ud800"], [False, True, False, False])
    assert len(set(base)) == 4
    fields = {
        "id": "q",
        "text": "!",
        "answer": "43",
        "category": "c",
        "difficulty": 2,
        "metadata": {"level": 4},
    }
    given = {"id": "p", "text": "?", "token_ids": (1, 2), "answer": "42", "metadata": {"level": 3}}
    for name, value in fields.items():
        assert keys_of(Prompt(**{**given, name: value}), ["a"], [False]) != base[:1], name
    assert keys_of(Prompt(**{**given, "token_ids": (9,)}), ["a"], [False]) == base[:1]


def test_a_template_that_stands_still_is_replaced_with_what_it_forked(
    hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forker, "ANSWER_TIMEOUT_S", 0.3)

    async def script(pool: VerifierPool) -> tuple[int, list[float], int]:
        before = pool._forker.pid or 0
        os.kill(before, signal.SIGSTOP)
        os.kill(pool.pids[0], signal.SIGKILL)
        await asyncio.sleep(0.2)
        return before, await values(pool, "a"), pool._forker.pid or 0

    before, after, now = with_pool(hostile, script, cache=0)
    assert after == [1.0] and now != before


def test_a_lost_template_costs_nothing_between_groups(hostile: str) -> None:
    async def script(pool: VerifierPool) -> tuple[list[str], list[float]]:
        os.kill(pool._forker.pid or 0, signal.SIGKILL)
        await asyncio.sleep(0.2)  # its verifiers die with it
        results = await pool.score(PROMPT, ["a", "wrong"], [False, False])
        return [r.reason for r in results], await values(pool, "a")

    reasons, after = with_pool(hostile, script, cache=0)
    assert (reasons, after) == (["", "wrong"], [1.0])


def test_a_module_that_starts_threads_is_not_forked_but_imported_by_each_verifier(hostile: str) -> None:
    async def script(pool: VerifierPool) -> list[bool]:
        first = await pool.score(PROMPT, ["a"], [False])
        os.kill(pool.pids[0], signal.SIGKILL)
        await asyncio.sleep(0.2)
        return [r.correct for r in first + await pool.score(PROMPT, ["b"], [False])]

    assert with_pool("threaded_module:NeedsItsThread", script) == [True, True]


def test_what_can_be_imported_beforehand() -> None:
    rubric = {
        "components": {"a": {"reward": "math"}, "b": "exact", "c": {"experts": {"x": "my.module:Mine"}}}
    }
    assert modules_of("rubric", rubric) == ["rewards.exact", "rewards.maths", "rewards.rubric.rubric"]
    assert modules_of("my.module:Mine", {"mode": "math"}) == ["my.module", "rewards.maths"]
    assert modules_of("no_such_reward") == []


def test_slow_verdicts_that_came_back_are_not_asked_for_again_after_a_loss(hostile: str) -> None:
    async def script(pool: VerifierPool) -> tuple[list[str], dict[str, float]]:
        began = asyncio.get_running_loop().time()
        results = await pool.score(PROMPT, ["sleep 0.5"] * 4 + ["exit", "sleep 0.5"], [False] * 6)
        assert asyncio.get_running_loop().time() - began < 4.5  # 2.5 s; judged again, it would be 4.5
        return [r.reason for r in results], pool.metrics()

    reasons, metrics = with_pool(hostile, script, cache=0)
    assert reasons == ["", "", "", "", "crash", ""]
    assert metrics["reward/crashes"] == 1.0
