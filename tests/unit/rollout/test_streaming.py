"""vLLM's outputs as pieces, and pieces across threads."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rollout.requests import check_stream
from rollout.streaming import DeltaQueue, ScoredTokens, StreamRequest, TokenDelta, output_delta
from rollout.types import FinishReason, GroupRequest, SamplingConfig

GROUP = GroupRequest(group_id=1, prompt_token_ids=(1, 2), seeds=(0,), sampling=SamplingConfig())


def delta(index: int) -> TokenDelta:
    return TokenDelta(index=index, tokens=ScoredTokens(ids=np.zeros((1, 1)), logprobs=np.zeros((1, 1))))


def test_places_of_unequal_width_are_filled_from_what_they_hold() -> None:
    """As vLLM leaves them where it joined outputs: the second token is the likeliest one, so it stands there
    once."""
    flat = SimpleNamespace(
        start_indices=[0, 0, 3],
        end_indices=[0, 3, 5],
        token_ids=[7, 8, 9, 5, 6],
        logprobs=[-5, -1, -2, -0.5, -3],
    )
    one = SimpleNamespace(logprobs=flat, finish_reason="length")
    made = output_delta(
        3, SimpleNamespace(outputs=[one], prompt_logprobs=None), StreamRequest(group=GROUP, top_logprobs=2)
    )
    assert made.index == 3 and made.finish_reason is FinishReason.LENGTH and made.prompt is None
    assert made.tokens.ids.tolist() == [[7, 8, 9], [5, 5, 6]]
    assert made.tokens.logprobs.tolist() == [[-5, -1, -2], [-0.5, -0.5, -3]]


def test_pieces_cross_threads_in_order_and_pile_up_while_nobody_reads() -> None:
    async def scenario() -> list[list[int]]:
        queue, answer = DeltaQueue(), asyncio.get_running_loop().create_future()

        def write() -> None:
            for index in range(5):
                queue.put(delta(index))

        thread = threading.Thread(target=write)
        thread.start()
        await asyncio.to_thread(thread.join)
        asyncio.get_running_loop().call_soon(answer.set_result, None)
        return [[one.index for one in deltas] async for deltas in queue.until(answer)]

    assert asyncio.run(scenario()) == [[0, 1, 2, 3, 4]]


def test_the_error_of_the_answer_comes_after_the_pieces() -> None:
    async def scenario() -> list[Any]:
        queue, answer = DeltaQueue(), asyncio.get_running_loop().create_future()
        queue.put(delta(0))
        asyncio.get_running_loop().call_soon(answer.set_exception, ValueError("refused"))
        seen: list[Any] = []
        with pytest.raises(ValueError, match="refused"):
            async for deltas in queue.until(answer):
                seen += deltas
        return seen

    assert len(asyncio.run(scenario())) == 1


def test_more_likeliest_tokens_than_vllm_gives_are_refused() -> None:
    with pytest.raises(ValueError, match="prompt_logprobs is 21; use 0 to 20"):
        check_stream(StreamRequest(group=GROUP, prompt_logprobs=21), max_model_len=99, vocab_size=9)
