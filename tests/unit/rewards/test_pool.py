"""The verifier pool with real processes: hangs, deaths, errors, order, shutdown."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rewards import build_reward, timeout_means
from rewards.processes.pool import VerifierPool
from rollout.types import Failure, Prompt, RewardResult

PROMPT = Prompt(id="p", text="?", token_ids=(1, 2), answer="42", metadata={"level": 3, "names": ["a"]})


@asynccontextmanager
async def running(reward: str, **options: Any) -> AsyncIterator[VerifierPool]:
    pool = VerifierPool(
        reward, options.pop("reward_args", {}), **{"timeout_s": 1.5, "memory_mib": 2048, **options}
    )
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def score(reward: str, texts: list[str], **options: Any) -> tuple[list[RewardResult], dict[str, float]]:
    async def main() -> tuple[list[RewardResult], dict[str, float]]:
        async with running(reward, **options) as pool:
            return await pool.score(PROMPT, texts, [False] * len(texts)), pool.metrics()

    return asyncio.run(main())


WRONG_BY_TIME = RewardResult(value=0.0, correct=False, reason="timeout", failure=Failure.TIMEOUT)


def rubric_of(reward: str) -> dict[str, Any]:
    return {"components": {"exact": {"reward": "exact"}, "own": {"reward": reward}}, "correct": "exact"}


def test_shipped_rewards_say_wrong_of_a_timeout_and_a_reward_may_say_otherwise() -> None:
    assert timeout_means("math", build_reward("math")) == "wrong"
    assert timeout_means("mine:Reward", SimpleNamespace(on_timeout="wrong")) == "wrong"
    with pytest.raises(ValueError, match="wrong or unjudged"):
        timeout_means("mine:Reward", SimpleNamespace(on_timeout="right"))


def within(seconds: float, job: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await asyncio.wait_for(job(), seconds)

    return asyncio.run(main())


def gone(pid: int) -> bool:
    """True if the process is dead, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_results_are_in_order_and_equal_to_the_reward_called_directly() -> None:
    texts = ["#### 42", "#### 41", "", "no idea\nsorry", "\\boxed{6 \\cdot 7}"]
    results, metrics = score("math", texts)
    assert [r.value for r in results] == [1.0, 0.0, 0.0, 0.0, 1.0]
    assert [r.reason for r in results] == ["", "wrong", "empty", "no answer", ""]
    assert metrics["reward/completions"] == 5.0
    assert metrics["reward/respawns"] == 0.0


def test_a_hang_costs_only_its_own_sample(hostile: str) -> None:
    results, metrics = score(hostile, ["a", "hang", "wrong", "bb"])
    assert [r.reason for r in results] == ["", "timeout", "wrong", ""]
    # of your own: it may have waited for a service
    assert [r.judged for r in results] == [True, False, True, True]
    assert score(hostile, ["hang"], on_timeout="wrong", timeout_s=0.3)[0] == [WRONG_BY_TIME]
    assert score("rubric", ["hang"], timeout_s=0.3, reward_args=rubric_of(hostile))[0] == [
        RewardResult.unjudged("timeout", Failure.TIMEOUT)
    ]
    assert [r.value for r in results] == [1.0, 0.0, 0.0, 1.0]
    assert results[3].components == {"length": 2.0}
    assert (metrics["reward/timeouts"], metrics["reward/respawns"]) == (1.0, 1.0)


@pytest.mark.parametrize("command", ["exit", "quit", "segv", "memory 8000"])
def test_a_death_costs_only_its_own_sample(command: str, hostile: str) -> None:
    results, metrics = score(hostile, ["a", "wrong", command, "bb"])
    assert [r.reason for r in results] == ["", "wrong", "crash", ""]
    assert [r.failure for r in results] == [None, None, Failure.CRASH, None]
    assert [r.judged for r in results] == [True, True, False, True]
    assert metrics["reward/crashes"] == 1.0


def test_first_last_and_only_completions_may_die(hostile: str) -> None:
    results, _ = score(hostile, ["exit", "a", "exit"])
    assert [r.reason for r in results] == ["crash", "", "crash"]
    assert [r.reason for r in score(hostile, ["exit"])[0]] == ["crash"]
    assert score(hostile, [])[0] == []


def test_the_time_limit_is_per_completion_not_per_group(hostile: str) -> None:
    results, _ = score(hostile, ["sleep 0.5"] * 4)
    assert [r.reason for r in results] == [""] * 4


@pytest.mark.parametrize(
    ("command", "failure", "reason"),
    [
        ("raise x", Failure.ERROR, "error: LookupError at tests/unit/rewards/hostile.py:52: x"),
        ("sandbox y", Failure.SANDBOX, "error: SandboxError at tests/unit/rewards/hostile.py:60: y"),
        ("nan", Failure.NOT_FINITE, "error: non-finite value"),
        ("none", Failure.NOT_APPLICABLE, "not applicable"),
        (
            "text",
            Failure.ERROR,
            (
                "error: TypeError: the reward returned str ('right'); return a RewardResult, or a number for"
                " each completion"
            ),
        ),
    ],
)
def test_what_the_reward_raises_is_the_reason(
    command: str, failure: Failure, reason: str, hostile: str
) -> None:
    results, metrics = score(hostile, ["a", command])
    assert results[1] == RewardResult.unjudged(reason, failure)
    assert (metrics["reward/errors"], metrics["reward/respawns"]) == (
        float(reason.startswith("error: ")),
        0.0,
    )


def test_prompt_and_odd_texts_arrive_whole(hostile: str) -> None:
    texts = ["echo", "\0\0", "\udfff\ud800", "x" * 5_000_000, "print", "é\u2028\n"]
    results, _ = score(hostile, texts, timeout_s=10.0)
    assert results[0].reason == repr(("42", {"level": 3, "names": ["a"]}, (1, 2)))
    assert [r.components.get("length") for r in results[1:]] == [2.0, 2.0, 5_000_000.0, None, 3.0]
    assert all(r.correct for r in results[1:])


def test_the_process_is_light(hostile: str) -> None:
    assert score(hostile, ["modules"])[0][0].reason == ""
    assert score("math", ["#### 42"])[0][0].correct


def test_a_message_that_kills_the_process_is_halved_until_the_guilty_text_is_alone(hostile: str) -> None:
    async def main() -> tuple[list[RewardResult], float]:
        async with running(hostile, memory_mib=320, timeout_s=20.0) as pool:
            # Reading this text alone takes more memory than the process may have, so it dies before it judges
            # anything.
            texts = ["a", "wrong", "y" * (120 << 20), "bb"]
            return await pool.score(PROMPT, texts, [False] * 4), pool.metrics()["reward/crashes"]

    results, crashes = within(120, main)
    assert [r.reason for r in results] == ["", "wrong", "crash", ""]
    assert crashes == 3.0  # the whole, its second half, the text itself


def test_groups_share_the_processes_without_mixing(hostile: str) -> None:
    async def main() -> list[list[RewardResult]]:
        async with running(hostile, num_workers=2) as pool:
            groups = [["x" * (10 * g + i) for i in range(1, 5)] for g in range(20)]
            groups[7][2] = "exit"
            return await asyncio.gather(*(pool.score(PROMPT, texts, [False] * 4) for texts in groups))

    scored = asyncio.run(main())
    lengths = [[r.components.get("length", 0.0) for r in group] for group in scored]
    expected = [[10.0 * g + i for i in range(1, 5)] for g in range(20)]
    expected[7][2] = 0.0
    assert lengths == expected


def test_a_cancelled_group_leaves_no_answer_behind(hostile: str) -> None:
    async def main() -> list[RewardResult]:
        async with running(hostile, timeout_s=5.0) as pool:
            task = asyncio.create_task(pool.score(PROMPT, ["sleep 0.3", "wrong"], [False, False]))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await pool.score(PROMPT, ["a"], [False])

    assert [r.components for r in asyncio.run(main())] == [{"length": 1.0}]


def test_closing_ends_running_groups_and_leaves_no_process(hostile: str) -> None:
    async def main() -> list[int]:
        async with running(hostile, num_workers=2, timeout_s=60.0) as pool:
            pids = pool.pids
            task = asyncio.create_task(pool.score(PROMPT, ["hang"], [False]))
            await asyncio.sleep(0.1)
            await pool.close()
            with pytest.raises(RuntimeError, match="closed while a group was being scored"):
                await task
            with pytest.raises(RuntimeError, match="not running"):
                await pool.score(PROMPT, ["a"], [False])
            return pids

    pids = within(30, main)
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


def test_what_a_verifier_started_dies_with_it(hostile: str, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    results, _ = score(hostile, [f"spawn {note}"])
    assert results[0].reason == "timeout"
    assert wait_until(lambda: gone(int(note.read_text())))


@pytest.mark.parametrize(
    ("reward", "error", "message"),
    [
        ("no_such_reward", ValueError, "'no_such_reward' is unknown"),
        ("hostile:broken", ValueError, "RuntimeError at .*hostile.py:[0-9]+: no model file"),
        ("hostile:dies", RuntimeError, "'hostile:dies' died while starting"),
    ],
)
def test_a_reward_that_cannot_be_built_fails_at_start(
    reward: str, error: type[Exception], message: str, hostile: str
) -> None:
    pool = VerifierPool(reward, num_workers=2)
    with pytest.raises(error, match=message):
        asyncio.run(pool.start())
    assert all(gone(pid) for pid in pool.pids)


def test_wrong_calls_are_refused(hostile: str) -> None:
    with pytest.raises(ValueError, match="num_workers is 0"):
        VerifierPool("exact", num_workers=0)
    with pytest.raises(ValueError, match="timeout_s is 0"):
        VerifierPool("exact", timeout_s=0)

    async def main() -> None:
        async with running(hostile) as pool:
            with pytest.raises(ValueError, match="2 texts but 1 truncated flags"):
                await pool.score(PROMPT, ["a", "b"], [False])
            odd = Prompt(id="odd", text="?", token_ids=(), answer="1", metadata={"set": {1}})
            with pytest.raises(ValueError, match="prompt odd: its metadata cannot go to a verifier"):
                await pool.score(odd, ["a"], [False])
            assert (await pool.score(PROMPT, ["a"], [False]))[0].correct

    asyncio.run(main())


def test_a_cheap_reward_gets_twenty_thousand_verdicts_a_second(hostile: str) -> None:
    async def main() -> float:
        async with running(hostile) as pool:
            texts = ["wrong, after some words of a completion"] * 16
            fastest = 0.0
            for _ in range(5):
                began = time.perf_counter()
                for _ in range(100):
                    await pool.score(PROMPT, texts, [False] * 16)
                fastest = max(fastest, 1600 / (time.perf_counter() - began))
            return fastest

    assert asyncio.run(main()) >= 20_000


PARENT = """
import asyncio, sys
from rewards.processes.pool import VerifierPool
from rollout.types import Prompt

async def main():
    pool = VerifierPool("hostile:CommandReward", num_workers=2, timeout_s=600)
    await pool.start()
    print(*pool.pids, flush=True)
    await pool.score(Prompt(id="p", text="", token_ids=(), answer=""), ["hang"], [False])

asyncio.run(main())
"""


def test_verifiers_die_with_a_killed_parent_even_if_they_hang(hostile: str) -> None:
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert parent.stdout is not None
    try:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        time.sleep(0.3)  # the hang has begun: it holds the interpreter lock, so only the kernel can end it
        assert not any(gone(pid) for pid in pids)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait(timeout=10)
        parent.stdout.close()
    assert wait_until(lambda: all(gone(pid) for pid in pids))
