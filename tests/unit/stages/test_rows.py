"""Rows become the very token ids that reinforcement learning would sample after, and what is wrong is said
with file and line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from rl.config.load import load_as
from rl.config.stages import DpoConfig, PairsConfig, SftConfig, SftDataConfig
from rl.config.task import FileTaskConfig
from rl.pretrain.corpus import Document
from rl.pretrain.tokenizer import char_tokenizer
from rl.stages.preference import dpo_columns, examples_of_file, pairs_of, read_pairs, write_pairs
from rl.stages.supervised import sft_columns, sft_examples
from rl.tasks import build_task
from rollout.types import (
    Completion,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)

CHAT = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt"
    " %}[assistant]{% endif %}"
)
END = 1


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, a merge across what will be the border of prompt and completion, a start token before plain
    text, a chat template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "</s>": END, **{c: i for i, c in enumerate(alphabet, start=2)}}
    vocabulary["=2"] = len(vocabulary)
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[("=", "2")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", chat_template=CHAT
    )


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[[list[Any]], str]:
    def write(rows: list[Any]) -> str:
        path = tmp_path / "rows.jsonl"
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return str(path)

    return write


def sft(path: str | None, **data: Any) -> SftConfig:
    return SftConfig.model_validate({"model": {"kind": "recipe"}, "data": {"path": path, **data}})


def ids_in_rl(rows: list[dict[str, Any]], path: Path, tokenizer: Any, **task: Any) -> list[tuple[int, ...]]:
    """What a run's file task makes of the same prompts."""
    path.write_text("".join(json.dumps({"prompt": r["prompt"], "answer": "x"}) + "\n" for r in rows))
    built = build_task(FileTaskConfig(train=str(path), **task), tokenizer, max_model_len=500, max_tokens=8)
    return [p.token_ids for p in built.load("train")]


QUESTION = [{"role": "user", "content": "1+1"}]
SETTINGS = [
    ({}, "1+1="),
    ({"prompt_template": "Q: {prompt} A="}, "1+1"),
    ({"chat": True, "system_prompt": "Sum."}, "1+1="),
    ({}, QUESTION),
]


@pytest.mark.parametrize(("settings", "prompt"), SETTINGS)
def test_prompts_have_the_ids_of_reinforcement_learning_and_completions_end(
    settings: dict[str, Any], prompt: Any, tokenizer: Any, jsonl: Callable[[list[Any]], str], tmp_path: Path
) -> None:
    rows = [
        {"prompt": prompt, "completion": "2"},
        {"prompt": prompt, "completion": [{"role": "assistant", "content": "= 2"}]},
    ]
    (expected,) = ids_in_rl(rows[:1], tmp_path / "task.jsonl", tokenizer, **settings)
    first, second = sft_examples(sft(jsonl(rows), **settings), tokenizer)
    two, space, equals = (tokenizer(c, add_special_tokens=False)["input_ids"][0] for c in "2 =")
    assert first.prompt_ids == second.prompt_ids == expected
    assert first.completions == ((two, END),) and second.completions == ((equals, space, two, END),)
    columns = sft_columns([first])
    assert columns == {"input_ids": [[*expected, two, END]], "labels": [[-100] * len(expected) + [two, END]]}


def test_the_last_message_of_a_chat_is_its_completion(
    tokenizer: Any, jsonl: Callable[[list[Any]], str], tmp_path: Path
) -> None:
    answer = {"role": "assistant", "content": "2"}
    (example,) = sft_examples(sft(jsonl([{"messages": [*QUESTION, answer]}])), tokenizer)
    assert (example.prompt_ids,) == tuple(
        ids_in_rl([{"prompt": QUESTION}], tmp_path / "task.jsonl", tokenizer)
    )
    assert tokenizer.decode(example.completions[0]) == "2</s>"


def test_the_tiny_task_gives_its_prompts_and_clean_solutions_as_its_corpus_writes_them() -> None:
    tokenizer = char_tokenizer(256)
    config = load_as(SftConfig, "sft_quickstart", ["task.train_prompts=200", "data.limit=150"])
    examples = sft_examples(config, tokenizer)
    prompts = build_task(config.task, tokenizer, max_model_len=128, max_tokens=64).load("train")
    assert len(examples) == 150 and [e.prompt_ids for e in examples] == [p.token_ids for p in prompts[:150]]
    for example, prompt in zip(examples, prompts, strict=False):
        text = tokenizer.decode(example.completions[0], skip_special_tokens=True)
        document = Document(prompt.text, text)
        assert [*example.prompt_ids, *example.completions[0]] == document.prompt_ids + document.solution_ids
        assert text.endswith(f"#{prompt.answer}")


def test_a_file_tasks_demonstrations_are_rows_and_one_without_is_refused(
    tokenizer: Any, jsonl: Callable[[list[Any]], str]
) -> None:
    path = jsonl([{"question": f"{n}+1=", "answer": f"so #### {n + 1}"} for n in range(9)])
    task = ["task=gsm8k", f"task.train={path}", "data.limit=null", "data.max_tokens=200"]
    config = load_as(SftConfig, "sft_quickstart", [*task, "task.columns.demonstration=answer"])
    examples = sft_examples(config, tokenizer)
    prompts = build_task(config.task, tokenizer, max_model_len=200, max_tokens=8).load("train")
    assert [e.prompt_ids for e in examples] == [p.token_ids for p in prompts]
    assert tokenizer.decode(examples[3].completions[0]) == "so #### 4</s>"
    with pytest.raises(
        ValueError, match=r"none of its 9 train prompts has a demonstration; set task\.columns\.demonstration"
    ):
        sft_examples(load_as(SftConfig, "sft_quickstart", task), tokenizer)


GOOD = {"prompt": "1+1=", "completion": "2"}
BAD_ROWS = [
    ({"prompt": "x"}, r"no column 'completion' \(columns: prompt\); set data.columns.completion"),
    ({"completion": "x"}, r"no column 'prompt' .*set data.columns.prompt \(or data.columns.messages\)"),
    ({"prompt": "x", "completion": " "}, "'completion' is empty; fill it or remove the row"),
    ({"prompt": "x", "completion": 3}, "'completion' is 3; it must be a string"),
    (
        {"prompt": "x", "completion": [{"role": "user", "content": "y"}]},
        "it must be a string or a list of one assistant message",
    ),
    ({"prompt": "", "completion": "y"}, "the prompt is empty"),
    ({"messages": QUESTION}, "'messages' must be a list of a question and an answer"),
    ({"messages": [*QUESTION, *QUESTION]}, "must be a string or a list of one assistant message"),
    (
        {"prompt": "x" * 40, "completion": "y" * 9},
        "51 tokens with its prompt and the end token, data.max_tokens=50; raise it",
    ),
    ('{"prompt": ', "broken JSON"),
]


@pytest.mark.parametrize(("row", "message"), BAD_ROWS, ids=[m[:25] for _, m in BAD_ROWS])
def test_a_bad_second_row_is_named(
    row: Any, message: str, tokenizer: Any, jsonl: Callable[[list[Any]], str]
) -> None:
    path = jsonl([GOOD, row])
    with pytest.raises(ValueError, match=f"^{re.escape(path)}:2: .*{message}"):
        sft_examples(sft(path, max_tokens=50), tokenizer)


def test_settings_that_cannot_apply_name_this_stages_fields(
    tokenizer: Any, jsonl: Callable[[list[Any]], str]
) -> None:
    with pytest.raises(ValueError, match=r"data\.system_prompt needs a chat.*set data\.chat=true"):
        sft_examples(sft(jsonl([GOOD]), system_prompt="x"), tokenizer)
    with pytest.raises(ValueError, match=r"the file is empty"):
        sft_examples(sft(jsonl([])), tokenizer)
    with pytest.raises(ValueError, match=r"no such file"):
        sft_examples(sft("nowhere.jsonl"), tokenizer)


def pairs(path: str, **settings: Any) -> PairsConfig:
    return PairsConfig(path=path, **settings)


def test_pairs_of_a_file(tokenizer: Any, jsonl: Callable[[list[Any]], str], tmp_path: Path) -> None:
    rows = [{"prompt": "1+1=", "chosen": "2", "rejected": "11"}]
    (expected,) = ids_in_rl(rows, tmp_path / "task.jsonl", tokenizer)
    one, two = (tokenizer(c, add_special_tokens=False)["input_ids"][0] for c in "12")
    columns = dpo_columns(examples_of_file(pairs(jsonl(rows)), tokenizer))
    assert columns == {
        "prompt_ids": [list(expected)],
        "chosen_ids": [[two, END]],
        "rejected_ids": [[one, one, END]],
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "x", "chosen": "a"}, "no column 'rejected' .*set pairs.columns.rejected"),
        ({"prompt": "x", "chosen": "a", "rejected": "a"}, "'chosen' and 'rejected' are the same text"),
        ({"prompt": "x", "chosen": "a", "rejected": "b" * 60}, "pairs.max_tokens=50"),
    ],
)
def test_a_bad_pair_is_named(
    row: dict[str, str], message: str, tokenizer: Any, jsonl: Callable[[list[Any]], str]
) -> None:
    path = jsonl([{"prompt": "p", "chosen": "a", "rejected": "b"}, row])
    with pytest.raises(ValueError, match=f"^{re.escape(path)}:2: .*{message}"):
        examples_of_file(pairs(path, max_tokens=50), tokenizer)


def rollout(ids: list[int], *, correct: bool, cut: bool = False) -> Rollout:
    completion = Completion(
        token_ids=np.array(ids, dtype=np.int32),
        behavior_logprobs=np.zeros(len(ids), dtype=np.float32),
        loss_mask=np.ones(len(ids), dtype=bool),
        spans=(VersionSpan(0, len(ids), 0),),
        finish_reason=FinishReason.LENGTH if cut else FinishReason.STOP,
    )
    return Rollout(
        completion=completion, text=str(ids[0]), result=RewardResult(value=float(correct), correct=correct)
    )


def test_sampled_pairs_are_right_against_wrong_and_keep_their_ids(tmp_path: Path) -> None:
    prompt = Prompt(id="a", text="q", token_ids=(0, 7), answer="5")
    members = [
        rollout([5, END], correct=True),
        rollout([5, END], correct=True),  # the same again
        rollout([6, END], correct=False),
        rollout([8, 8], correct=False, cut=True),
        rollout([9, END], correct=False),
        rollout([4, 5, END], correct=True),
        rollout([3, END], correct=False),
    ]
    group = RolloutGroup(
        group_id=0, plan_step=0, prompt=prompt, sampling=SamplingConfig(), rollouts=tuple(members)
    )
    hopeless = RolloutGroup(
        group_id=1, plan_step=0, prompt=prompt, sampling=SamplingConfig(), rollouts=tuple(members[2:5])
    )
    assert [(r["chosen_ids"], r["rejected_ids"]) for r in pairs_of([group, hopeless], per_prompt=9)] == [
        ([5, END], [6, END]),
        ([4, 5, END], [9, END]),
    ]
    rows = pairs_of([group], per_prompt=1)
    write_pairs(tmp_path / "pairs.jsonl", rows)
    assert dpo_columns(read_pairs(tmp_path / "pairs.jsonl")) == {
        "prompt_ids": [[0, 7]],
        "chosen_ids": [[5, END]],
        "rejected_ids": [[6, END]],
    }


def test_without_rows_there_is_no_stage() -> None:
    with pytest.raises(ValueError, match=r"set data\.path=FILE, or a task"):
        SftConfig.model_validate({"model": {"kind": "recipe"}})
    with pytest.raises(ValueError, match=r"set pairs\.path=FILE, or a task"):
        DpoConfig.model_validate({"model": {"kind": "recipe"}})
    assert SftDataConfig().path is None


def test_adapters_with_dropout_are_for_sft_alone() -> None:
    lora = {"model": {"kind": "recipe"}, "trainer": {"lora": {"r": 4, "dropout": 0.1}}}
    assert SftConfig.model_validate(lora | {"data": {"path": "rows.jsonl"}}).trainer.lora is not None
    with pytest.raises(ValueError, match=r"trainer\.lora\.dropout"):
        DpoConfig.model_validate(lora | {"pairs": {"path": "pairs.jsonl"}})
