"""Suites of a run: read and checked before any actor starts."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rl.config.load import load_config
from rl.config.sections import EvaluationConfig
from rl.config.suites import SuiteConfig
from rl.run.prepare.suites import PreparedSuite, prepare_suites


def byte_tokenizer(alphabet: list[str] | None = None) -> PreTrainedTokenizerFast:
    letters = alphabet or sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "<?>": 1, **{c: i for i, c in enumerate(letters, start=2)}}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<?>"))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", unk_token="<?>")


def prepared(
    suites: dict[str, Any], *, tokenizer: Any = None, model_len: int = 800
) -> dict[str, PreparedSuite]:
    config = load_config("quickstart", [f"rollout.max_model_len={model_len}"])
    evaluation = EvaluationConfig.model_validate({"suites": suites})
    config = config.model_copy(update={"evaluation": evaluation})
    return {one.name: one for one in prepare_suites(config, tokenizer or byte_tokenizer())}


def test_tasks_published_suites_and_text_side_by_side(tmp_path: Path) -> None:
    rows = tmp_path / "more.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"{i}+1", "answer": i + 1}) + "\n" for i in range(5)))
    found = prepared(
        {
            "more": {"task": {"kind": "file", "test": str(rows)}, "num_prompts": 3, "every": 7},
            "asks": {"named": "instructions", "max_tokens": 100, "num_prompts": 10},
            "text": {"text": "packaged", "num_prompts": 4},
        }
    )
    assert [len(found[name].prompts) for name in ("more", "asks", "text")] == [3, 10, 0]
    assert found["more"].task is not None and found["more"].task.reward_name == "math"
    assert found["more"].config.every == 7
    assert len({prompt.category for prompt in found["asks"].prompts}) > 2, "spread over the file"
    passages = found["text"].passages
    assert len(passages) == 4 and passages[0].text.startswith("Water freezes")
    assert all(passage.num_bytes == len(passage.token_ids) for passage in passages)


def test_passages_are_cut_to_what_an_engine_takes() -> None:
    (passage,) = prepared({"text": {"text": "packaged", "num_prompts": 1}}, model_len=70)["text"].passages
    assert len(passage.token_ids) == 69 and passage.num_bytes == 69
    assert passage.text == "Water freezes at zero degrees Celsius and boils at one hundred degrees"[:69]


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ({"named": "gsm8k"}, r"evaluation.suites.x: suite gsm8k: no file in"),
        ({"named": "gsm9k", "file": "x"}, r"suite 'gsm9k' is unknown"),
        ({"named": "instructions", "max_tokens": 900}, r"leaves no room for a prompt"),
        ({"text": "nowhere.txt"}, r"nowhere.txt: no such file"),
    ],
)
def test_what_is_wrong_is_said_with_the_suite(suite: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        prepared({"x": suite})


def test_a_tokenizer_without_the_letters_is_refused() -> None:
    with pytest.raises(ValueError, match="tokenizer cannot write the text"):
        prepared({"x": {"text": "packaged"}}, tokenizer=byte_tokenizer(list("0123456789")))


def test_a_suite_has_one_source() -> None:
    for wrong, said in (
        ({}, "no source"),
        ({"named": "gsm8k", "text": "packaged"}, "named and text"),
        ({"text": "packaged", "file": "x"}, "file is read with named only"),
        ({"named": "gsm8k", "greedy": False, "samples_per_prompt": 0}, "nothing to ask"),
    ):
        with pytest.raises(ValueError, match=said):
            SuiteConfig(**wrong)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["evaluation.engines=1", "checkpoint.keep_best=true", "evaluation.every=20"],
            "checkpoint.keep_best judges",
        ),
        (["evaluation.suites={rollouts: {text: packaged}}"], "rollouts is a name of the run's own files"),
    ],
)
def test_what_does_not_go_together_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_config("quickstart", overrides)
