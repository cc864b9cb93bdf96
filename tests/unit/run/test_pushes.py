"""A push that fails ends the run at once, also while everybody waits for what it would have brought."""

import asyncio
import time

import pytest

from tests.unit.run.test_controller import build


@pytest.mark.parametrize("staleness", [0, 1])
def test_a_push_that_fails_is_heard_before_any_time_limit(staleness: int) -> None:
    controller = build(staleness=staleness)
    push = controller.parts.sync.push

    async def dies(version: int) -> object:
        if version == 3:
            raise RuntimeError("learner rank 0 died during learner.move")
        return await push(version)

    controller.parts.sync.push = dies
    started = time.monotonic()
    with pytest.raises((RuntimeError, ExceptionGroup)) as raised:
        asyncio.run(controller.run())
    assert time.monotonic() - started < 4, "the step's limit is 5 s"
    errors = raised.value.exceptions if isinstance(raised.value, ExceptionGroup) else [raised.value]
    assert all("rank 0 died" in str(error) for error in errors)
    assert controller.state.version >= 3
