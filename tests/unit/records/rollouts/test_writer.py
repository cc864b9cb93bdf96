"""The thread that writes: in order, not waited for, and loud when the disk is full."""

import asyncio
import errno
import threading
from functools import partial

import pyarrow.parquet as pq
import pytest

from rl.records.rollouts.files import RolloutFile, file_name, rollout_files
from rl.records.rollouts.thinning import Folder
from rl.records.rollouts.writer import MOST_WAITING, RolloutWriter
from tests.unit.records.rollouts.tables import table


def file_of(folder: Folder, step: int) -> RolloutFile:
    path = folder.path / file_name("step", step, 1)
    return RolloutFile(path=path, kind="step", number=step, attempt=1)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path, max_bytes=1 << 30, notice=lambda _: None)


def test_nobody_waits_until_several_files_do(folder):
    async def main():
        writer, gate, made = RolloutWriter(), threading.Event(), []

        def make(step):
            gate.wait(10)
            made.append((step, threading.current_thread().name))
            return table(step)

        for step in range(MOST_WAITING):
            await asyncio.wait_for(writer.put(folder, file_of(folder, step), partial(make, step)), 1)
        assert made == [], "put does not wait for the writing"
        one_more = asyncio.ensure_future(writer.put(folder, file_of(folder, 9), lambda: make(9)))
        await asyncio.sleep(0.02)
        assert not one_more.done(), "a disk that is behind holds the run up, not its memory"
        gate.set()
        await one_more
        await writer.flush()
        assert [step for step, _ in made] == [*range(MOST_WAITING), 9]
        assert all(name.startswith("rollout-files") for _, name in made)
        writer.close()

    asyncio.run(main())
    assert [f.number for f in rollout_files(folder.path)] == [*range(MOST_WAITING), 9]
    assert pq.read_table(rollout_files(folder.path)[0].path).num_rows == 8


@pytest.mark.parametrize("asked", ["put", "flush", "close"])
def test_a_full_disk_is_said_at_the_next_call(folder, asked):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    async def main():
        writer = RolloutWriter()
        await writer.put(folder, file_of(folder, 0), full)
        writer._thread.submit(lambda: None).result()
        with pytest.raises(OSError, match="No space left") as found:
            if asked == "put":
                await writer.put(folder, file_of(folder, 1), table)
            elif asked == "flush":
                await writer.flush()
            else:
                writer.close()
        assert found.value.errno == errno.ENOSPC
        writer.close()  # said once

    asyncio.run(main())


def test_who_waits_may_be_cancelled_and_the_file_is_written(folder):
    async def main():
        writer, gate = RolloutWriter(), threading.Event()

        def slow():
            gate.wait(10)
            return table()

        await writer.put(folder, file_of(folder, 0), slow)
        await writer.put(folder, file_of(folder, 1), table)
        waiting = asyncio.ensure_future(writer.flush())
        await asyncio.sleep(0.01)
        waiting.cancel()
        gate.set()
        writer.close()

    asyncio.run(main())
    assert [f.number for f in rollout_files(folder.path)] == [0, 1]
