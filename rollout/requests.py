"""Refuse bad requests before vLLM sees them: such a one must cost its own call, never the engine."""

from collections.abc import Sequence

from rollout.streaming import MAX_TOP_LOGPROBS, StreamRequest
from rollout.types import GroupRequest

MIN_TEMPERATURE = 0.01
"""vLLM silently raises anything between 0 and this to this, which would part the engine from the learner."""
MAX_SEED = 2**63 - 1


def check_request(request: GroupRequest, *, max_model_len: int, vocab_size: int) -> None:
    """ValueError, naming the field and the fix, if the engine cannot serve ``request`` exactly as asked."""
    where = f"group {request.group_id}"
    sampling = request.sampling
    check_tokens(request.prompt_token_ids, vocab_size=vocab_size, where=f"{where}: prompt_token_ids")
    if sampling.max_tokens < 1:
        raise ValueError(f"{where}: sampling.max_tokens is {sampling.max_tokens}; ask for at least 1")
    prompt_len = len(request.prompt_token_ids)
    if prompt_len + sampling.max_tokens > max_model_len:
        raise ValueError(
            f"{where}: prompt_token_ids ({prompt_len}) plus sampling.max_tokens ({sampling.max_tokens}) is"
            f" over max_model_len={max_model_len}; drop or shorten the prompt, or raise max_model_len"
        )
    if sampling.temperature != 0 and sampling.temperature < MIN_TEMPERATURE:
        raise ValueError(
            f"{where}: sampling.temperature is {sampling.temperature}; use 0 for greedy, or at least"
            f" {MIN_TEMPERATURE}"
        )
    if not 0 < sampling.top_p <= 1:
        raise ValueError(f"{where}: sampling.top_p is {sampling.top_p}; use a value in (0, 1]")
    if not request.seeds or not all(0 <= seed <= MAX_SEED for seed in request.seeds):
        raise ValueError(f"{where}: seeds must be one or more integers in [0, 2**63)")


def check_stream(request: StreamRequest, *, max_model_len: int, vocab_size: int) -> None:
    """As ``check_request``, and the numbers of likeliest tokens."""
    check_request(request.group, max_model_len=max_model_len, vocab_size=vocab_size)
    for name, count in (
        ("top_logprobs", request.top_logprobs),
        ("prompt_logprobs", request.prompt_logprobs or 0),
    ):
        if not 0 <= count <= MAX_TOP_LOGPROBS:
            raise ValueError(
                f"group {request.group.group_id}: {name} is {count}; use 0 to {MAX_TOP_LOGPROBS}"
            )


def check_tokens(token_ids: Sequence[int], *, vocab_size: int, where: str) -> None:
    """ValueError if ``token_ids`` is empty or holds an id outside the vocabulary (which would index past the
    embedding)."""
    if not token_ids:
        raise ValueError(f"{where} is empty; give at least one token")
    if min(token_ids) < 0 or max(token_ids) >= vocab_size:
        raise ValueError(
            f"{where} holds an id outside 0..{vocab_size - 1}; was it tokenised for another model?"
        )


def check_sequence(sequence: Sequence[int], *, max_model_len: int, vocab_size: int) -> None:
    """ValueError if ``sequence`` cannot be scored; vLLM samples one token behind it, so it must leave room
    for one."""
    check_tokens(sequence, vocab_size=vocab_size, where="sequences: a sequence")
    if len(sequence) < 2 or len(sequence) >= max_model_len:
        raise ValueError(
            f"sequences: {len(sequence)} tokens; a scored sequence has 2..{max_model_len - 1} (max_model_len"
            " - 1)"
        )
