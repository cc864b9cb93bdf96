"""A process that writes one checkpoint, says so, begins a second one in the background, says that too, and
waits to be killed."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import torch

from rl.learner.checkpoint_engine import BackgroundCheckpointEngine
from rl.records.rundir import RunDir
from rl.records.trace import TraceWriter
from rl.run.checkpoint import CheckpointStore
from rl.run.saver import Saver
from rl.run.state import RunState

NUMBERS = 200_000_000
"""800 MB: no disk here takes them before the parent has read a line."""


class Rank:
    """The part of a learner that saves: real snapshots, the real writer."""

    def __init__(self) -> None:
        self.engine = BackgroundCheckpointEngine()
        self.numbers = torch.zeros(1000)

    async def save(self, directory: str, *, background: bool) -> None:
        self.engine.background = background
        self.engine.save({"numbers": self.numbers}, f"{directory}/shard.pt")
        self.numbers.add_(1)  # training goes on

    async def wait_saved(self) -> None:
        await asyncio.to_thread(self.engine.wait)


class Stateful:
    """A part of the controller without a state."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def snapshot(self) -> Any:
        return self.state_dict


async def main(directory: Path) -> None:
    run, part, rank = RunDir(directory), Stateful(), Rank()
    saver = Saver(
        store=CheckpointStore(run, keep=1),
        buffer=part,
        curriculum=part,
        statistics=part,
        every=1,
        timeout_s=60,
        trace=TraceWriter(run.trace),
    )
    await saver.save(RunState(version=1), rank, final=True)
    rank.numbers = torch.zeros(NUMBERS)
    await saver.save(RunState(version=2), rank)
    print("training goes on", flush=True)
    await saver.settle()
    print("written", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
