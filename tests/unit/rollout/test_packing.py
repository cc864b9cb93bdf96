"""A group must survive the wire exactly, whatever its lengths and spans, and travel in few pieces."""

import itertools
import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rollout.packing import CompletionBatch
from rollout.types import Completion, FinishReason, VersionSpan


@st.composite
def completions(draw: st.DrawFn) -> Completion:
    length = draw(st.integers(0, 9))
    cuts = sorted(draw(st.sets(st.integers(1, 8).filter(lambda c: c < length)))) if length > 1 else []
    edges = [0, *cuts, length] if length else [0]
    numbers = st.integers(-(2**31), 2**31 - 1)
    return Completion(
        token_ids=np.array(draw(st.lists(numbers, min_size=length, max_size=length)), dtype=np.int32),
        behavior_logprobs=np.array(
            draw(st.lists(st.floats(-50, 0, width=32), min_size=length, max_size=length)), dtype=np.float32
        ),
        loss_mask=np.array(draw(st.lists(st.booleans(), min_size=length, max_size=length)), dtype=bool),
        spans=tuple(VersionSpan(a, b, draw(st.integers(0, 10**9))) for a, b in itertools.pairwise(edges)),
        finish_reason=draw(st.sampled_from(list(FinishReason))),
    )


@given(st.lists(completions(), max_size=4))
def test_round_trip(group: list[Completion]) -> None:
    back = pickle.loads(pickle.dumps(CompletionBatch(group), protocol=5))
    assert len(back) == len(group)
    for a, b in zip(group, back, strict=True):
        for name in ("token_ids", "behavior_logprobs", "loss_mask"):
            left, right = getattr(a, name), getattr(b, name)
            assert left.dtype == right.dtype
            assert np.array_equal(left, right)
        assert (a.spans, a.finish_reason) == (b.spans, b.finish_reason)


def test_the_wire_holds_little_but_the_numbers() -> None:
    one = Completion(
        token_ids=np.zeros(32, np.int32),
        behavior_logprobs=np.zeros(32, np.float32),
        loss_mask=np.ones(32, bool),
        spans=(VersionSpan(0, 32, 1),),
        finish_reason=FinishReason.STOP,
    )
    size = len(pickle.dumps(CompletionBatch([one] * 16), protocol=5))
    assert size < 16 * 32 * 9 + 1000
