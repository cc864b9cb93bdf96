"""Tasks whose failure is told even where nobody awaits them."""

import asyncio
import gc
import logging

import pytest

from rl.stream.background import in_background


async def _fail(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


def test_a_failure_that_nobody_awaits_is_one_line_and_no_traceback(caplog):
    async def main() -> None:
        in_background("saver", _fail(OSError("actor\n  Traceback\nno space")), what="writing checkpoint 3")
        await asyncio.sleep(0.01)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
        gc.collect()
    assert [record.getMessage() for record in caplog.records] == [
        "writing checkpoint 3 failed: OSError: no space"
    ]


def test_a_failure_still_reaches_whoever_awaits_it(caplog):
    async def main() -> None:
        await in_background("push", _fail(ValueError("wrong")), what="a weight push")

    with pytest.raises(ValueError, match="wrong"):
        asyncio.run(main())


def test_a_cancelled_task_is_no_failure(caplog):
    async def main() -> None:
        task = in_background("push", asyncio.sleep(60), what="a weight push")
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.01)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert caplog.records == []
