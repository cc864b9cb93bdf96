"""Where completions end: several end tokens of generation_config.json, stop tokens, stop strings. On a model
without a pad token whose vocabulary is padded beyond the tokenizer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch

from rollout.engine import EngineConfig
from rollout.types import Completion, FinishReason
from tests.integration.rollout.conftest import build_model
from tests.integration.rollout.helpers import EOS, MAX_MODEL_LEN, VOCAB, Handle, group

PADDED = 8
"""Rows of the model beyond the tokenizer."""
GROUPS = 6


@pytest.fixture(scope="module")
def padded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with rows that no token has, and without a pad token."""
    from transformers import AutoModelForCausalLM

    path = build_model(tmp_path_factory.mktemp("padded"), seed=5, tied=False)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    model.resize_token_embeddings(VOCAB + PADDED)
    model.config.pad_token_id = None
    model.save_pretrained(path)
    file = path / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    settings.pop("pad_token", None)
    file.write_text(json.dumps(settings))
    return path


def completions(host: Handle, model: Path, sampling: dict[str, Any], **engine: Any) -> list[Completion]:
    host.swap(
        EngineConfig(
            model=str(model), max_model_len=MAX_MODEL_LEN, kv_cache_mib=64, max_num_seqs=128, **engine
        )
    )
    requests = [group(i, size=4, max_tokens=48, **sampling) for i in range(GROUPS)]
    return [one for found in ray.get(host.generate(*requests), timeout=120) for one in found]


def test_what_ends_a_completion_is_the_first_of_all_and_its_tokens_are_those_that_were_sampled(
    host: Handle, padded: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(padded)
    assert tokenizer.pad_token_id is None
    endless = completions(host, padded, {"ignore_eos": True})
    assert {len(one.token_ids) for one in endless} == {48}
    assert max(one.token_ids.max() for one in endless) >= VOCAB, "rows beyond the tokenizer are sampled"
    also_ends, stop_token = (int(endless[i].token_ids[20]) for i in (0, 1))
    stop = tokenizer.decode(next(o.token_ids for o in endless if o.token_ids[8:10].max() < VOCAB)[8:10])
    (padded / "generation_config.json").write_text(json.dumps({"eos_token_id": [EOS, also_ends]}))

    def expected(whole: Completion) -> int:
        for count in range(1, 49):
            text = tokenizer.decode(whole.token_ids[:count])
            if whole.token_ids[count - 1] in (EOS, also_ends, stop_token) or stop in text:
                return count
        return 48

    ends = [expected(one) for one in endless]
    met = {int(one.token_ids[end - 1]) for one, end in zip(endless, ends, strict=True) if end < 48}
    assert {also_ends, stop_token} <= met and any(
        stop in tokenizer.decode(one.token_ids[:end]) for one, end in zip(endless, ends, strict=True)
    ), "each of them ends something"
    for backend in ("inprocess", "async"):
        # The engine's own ends and those of a request count together.
        found = completions(host, padded, {"stop": (stop,)}, backend=backend, stop_token_ids=(stop_token,))
        for whole, one, end in zip(endless, found, ends, strict=True):
            assert one.token_ids.tolist() == whole.token_ids[:end].tolist(), backend
            assert np.allclose(one.behavior_logprobs, whole.behavior_logprobs[:end], atol=1e-4)
            assert one.loss_mask.all() and [(s.start, s.end) for s in one.spans] == [(0, end)]
            assert (one.finish_reason is FinishReason.STOP) == (end < 48 or one.token_ids[-1] in met)
