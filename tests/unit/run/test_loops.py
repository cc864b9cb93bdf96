"""What keeps the loops from standing still."""

import asyncio
import gc
import weakref

from rl.run.loops import collector_spared


class Node:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.me = self


def test_collections_leave_out_what_was_there_before() -> None:
    async def run() -> None:
        before = gc.get_freeze_count()
        with collector_spared():
            assert gc.get_freeze_count() > before + 1000
            Node()
            assert gc.collect() > 0, "what comes later is collected"
        assert gc.get_freeze_count() == 0

    asyncio.run(run())


def test_full_collections_come_when_their_time_has_and_at_no_other() -> None:
    full = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            full.append(info)

    async def run() -> None:
        before = gc.get_threshold()
        with collector_spared(full_s=0.5):
            node = Node()
            gc.collect(1), gc.collect(1)  # it is old now
            gone = weakref.ref(node)
            del node
            kept = [[i] for i in range(300_000)]  # many full collections, by Python's own thresholds
            assert len(kept) and not full and gone() is not None
            async with asyncio.timeout(30):
                while gone() is not None:
                    await asyncio.sleep(0.05)
            seen = len(full)
            async with asyncio.timeout(30):
                while len(full) == seen:
                    await asyncio.sleep(0.05)
        assert gc.get_threshold() == before

    gc.callbacks.append(note)
    try:
        asyncio.run(run())
    finally:
        gc.callbacks.remove(note)
