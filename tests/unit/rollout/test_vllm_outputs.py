"""Version spans and completions from vLLM's records; the records here are stand-ins with vLLM's field
names."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rollout.types import FinishReason, VersionSpan
from rollout.vllm_outputs import SequenceRecord, completion_of, version_spans


def spans_of(*rows: tuple[int, int, str]) -> list[Any]:
    return [SimpleNamespace(start=start, end=end, version=version) for start, end, version in rows]


def test_spans_keep_their_edges_and_become_integers() -> None:
    assert version_spans(spans_of((0, 3, "7"), (3, 5, "8")), num_tokens=5) == (
        VersionSpan(0, 3, 7),
        VersionSpan(3, 5, 8),
    )


def test_neighbours_of_one_version_are_joined() -> None:
    rows = spans_of((0, 2, "7"), (2, 3, "7"), (3, 4, "8"), (4, 5, "7"))
    assert version_spans(rows, num_tokens=5) == (
        VersionSpan(0, 3, 7),
        VersionSpan(3, 4, 8),
        VersionSpan(4, 5, 7),
    )


@pytest.mark.parametrize(
    ("rows", "num_tokens"),
    [
        ([(0, 3, "7")], 4),
        ([(1, 4, "7")], 4),
        ([(0, 2, "7"), (3, 4, "8")], 4),
        ([], 1),
        ([(0, 0, "6"), (0, 4, "7")], 4),
    ],
)
def test_gaps_are_caught(rows: list[tuple[int, int, str]], num_tokens: int) -> None:
    with pytest.raises(AssertionError, match="version spans"):
        version_spans(spans_of(*rows), num_tokens=num_tokens)


def step(*tokens: int, prompt: list[float] | None = None) -> Any:
    """What one engine step says of one sequence: tokens, with log-prob -token / 10 and another candidate's
    beside it."""
    return SimpleNamespace(
        new_token_ids=list(tokens),
        new_logprobs=(
            SimpleNamespace(logprobs=np.array([[-t / 10, -9.0] for t in tokens]).reshape(-1, 2))
            if tokens
            else None
        ),
        new_prompt_logprobs_tensors=(
            None if prompt is None else SimpleNamespace(logprobs=np.array(prompt)[:, None])
        ),
    )


def test_record_cuts_spans_where_the_version_changed() -> None:
    record = SequenceRecord()
    for tokens, version in (([3], "0"), ([4], "0"), ([], "1"), ([5], "2"), ([6, 7], "2"), ([8], "0")):
        record.add(step(*tokens), version)
    completion = record.completion("length")
    assert completion.token_ids.tolist() == [3, 4, 5, 6, 7, 8]
    assert completion.behavior_logprobs.tolist() == pytest.approx([-0.3, -0.4, -0.5, -0.6, -0.7, -0.8])
    # version 1 sampled nothing
    assert completion.spans == (VersionSpan(0, 2, 0), VersionSpan(2, 5, 2), VersionSpan(5, 6, 0))
    assert completion.finish_reason is FinishReason.LENGTH


def test_record_of_a_scored_prompt() -> None:
    record = SequenceRecord()
    record.add(step(prompt=[-1.5, -0.5]), "0")
    record.add(SimpleNamespace(new_token_ids=[4], new_logprobs=None, new_prompt_logprobs_tensors=None), "0")
    assert record.prompt_logprobs == [-1.5, -0.5]


def finished(**fields: Any) -> Any:
    defaults = {
        "token_ids": [5, 6, 1],
        "logprobs": SimpleNamespace(logprobs=[-0.5, -1.0, -0.25]),
        "finish_reason": "stop",
        "weight_versions": spans_of((0, 3, "2")),
    }
    return SimpleNamespace(**defaults | fields)


def test_completion_fields() -> None:
    completion = completion_of(finished())
    assert completion.token_ids.tolist() == [5, 6, 1]
    assert completion.behavior_logprobs.tolist() == [-0.5, -1.0, -0.25]
    assert (completion.token_ids.dtype, completion.behavior_logprobs.dtype) == (np.int32, np.float32)
    assert completion.loss_mask.tolist() == [True] * 3
    assert completion.finish_reason is FinishReason.STOP
    assert (completion.min_policy_version, completion.max_policy_version, completion.truncated) == (
        2,
        2,
        False,
    )
    assert completion_of(finished(finish_reason="length")).truncated


def test_log_probs_must_match_the_tokens() -> None:
    with pytest.raises(AssertionError, match="2 log-probs for 3 tokens"):
        completion_of(finished(logprobs=SimpleNamespace(logprobs=[-0.5, -1.0])))


@pytest.mark.parametrize("reason", ["abort", "error", None])
def test_no_other_end_passes_for_a_completion(reason: str | None) -> None:
    with pytest.raises(RuntimeError, match="finish reason"):
        completion_of(finished(finish_reason=reason))
