"""Disk and memory, and how long they last at the pace of the last looks."""

from pathlib import Path

import pytest

from rl.run.machine import EVERY_S, FEWEST, GB, Machine, free_now


def looks(free, count: int) -> dict[str, float]:
    clock = iter(i * EVERY_S for i in range(count))
    machine = Machine(Path("/"), free=free, clock=lambda: next(clock))
    for _ in range(count):
        figures = machine.metrics()
    return figures


def test_what_shrinks_has_a_time_left_and_what_does_not_has_none() -> None:
    state = iter(range(1000))

    def free(directory):
        return 100 * GB - next(state) * GB, 8 * GB, 0.5

    figures = looks(free, FEWEST)
    assert figures["system/disk_free_gb"] == pytest.approx(100 - FEWEST + 1)
    # 1 GB every 5 s
    assert figures["system/disk_left_s"] == pytest.approx((100 - FEWEST + 1) * EVERY_S)
    assert figures["system/memory_free_gb"] == 8 and "system/memory_left_s" not in figures


def test_few_looks_make_no_pace() -> None:
    state = iter(range(1000))
    figures = looks(lambda directory: (100 * GB - next(state) * GB, 8 * GB, 0.5), FEWEST - 1)
    assert set(figures) == {"system/disk_free_gb", "system/memory_free_gb", "system/memory_free_share"}


def test_fast_steps_share_a_look() -> None:
    calls: list[Path] = []

    def free(path: Path) -> tuple[float, float, float]:
        calls.append(path)
        return GB, GB, 0.5

    clock = iter([0.0, 1.0, 2.0, EVERY_S])
    machine = Machine(Path("/"), free=free, clock=lambda: next(clock))
    for _ in range(4):
        machine.metrics()
    assert len(calls) == 2


def test_the_real_machine(tmp_path: Path) -> None:
    disk, memory, share = free_now(tmp_path)
    assert disk > 0 and memory > 0 and 0 < share <= 1
