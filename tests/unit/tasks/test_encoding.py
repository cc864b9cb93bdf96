"""Special tokens stand where they belong, once, whatever a family's tokenizer adds and its chat template
writes."""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from rl.config.stages import SftConfig
from rl.config.task import FileTaskConfig
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.config.thinking_tags import thinking_tags_of
from rl.serve.prompts import Encoder
from rl.serve.requests import ChatRequest, CompletionRequest
from rl.stages.supervised import sft_examples
from rl.tasks import build_task
from rl.tasks.chats import render_chat
from rl.tasks.encoding import added_tokens, completion_ids, make_decode, prompt_ids, sequence_ids
from rl.tasks.reasoning_gym import ReasoningGymTask
from tests.unit.tasks.families import FAMILIES, build

pytestmark = pytest.mark.parametrize("name", FAMILIES)
letters = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp", "Zs")) | st.sampled_from(
    " \n"
)
words = st.text(letters, min_size=1).map(str.strip).filter(bool)
several = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.differing_executors])


def file_prompt(tokenizer: Any, directory: Path, row: dict[str, Any], **config: Any) -> Any:
    path = directory / "rows.jsonl"
    path.write_text(json.dumps({"answer": "1", **row}) + "\n")
    (prompt,) = build_task(
        FileTaskConfig(train=str(path), **config), tokenizer, max_model_len=999, max_tokens=9
    ).load("train")
    return prompt


@several
@given(text=words)
def test_a_plain_prompt_has_one_start_token_if_the_tokenizer_adds_one_and_no_end_token(
    name: str, text: str
) -> None:
    family, tokenizer = FAMILIES[name], build(name)
    (ids,) = prompt_ids(tokenizer, [text], from_template=False)
    assert ids.count(tokenizer.bos_token_id) == int(family.adds_bos)
    assert ids[0] == tokenizer.bos_token_id or not family.adds_bos
    assert tokenizer.eos_token_id not in ids[1:]
    assert tokenizer.decode(ids).removeprefix(family.bos or "").lstrip(" ") == text
    if family.bos and family.bos != family.eos:
        assert (
            prompt_ids(tokenizer, [family.bos + text], from_template=False)[0].count(tokenizer.bos_token_id)
            == 1
        )


@several
@given(text=words)
def test_a_chat_has_the_ids_of_its_own_template(name: str, text: str) -> None:
    family, tokenizer = FAMILIES[name], build(name)
    for messages in (
        [{"role": "user", "content": text}],
        [
            {"role": "user", "content": text},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "Go on."},
        ],
    ):
        shown = render_chat(tokenizer, messages, continue_final=False)
        (ids,) = prompt_ids(tokenizer, [shown], from_template=True)
        assert list(ids) == tokenizer.apply_chat_template(
            messages, tokenize=True, add_generation_prompt=True, return_dict=False
        )
        assert ids[-1] != tokenizer.eos_token_id
        assert tokenizer.decode(ids).lstrip(" ") == shown
        if len(messages) == 1 and tokenizer.bos_token_id is not None:
            assert ids.count(tokenizer.bos_token_id) == family.chat_starts


def test_everything_that_makes_prompts_makes_the_same_ones(name: str, tmp_path: Path) -> None:
    family, tokenizer = FAMILIES[name], build(name)
    text, chat = "2 + 2?", [{"role": "user", "content": "2 + 2?"}]
    plain, shown = (
        file_prompt(tokenizer, tmp_path, {"prompt": text}),
        file_prompt(tokenizer, tmp_path, {"prompt": chat}),
    )
    assert list(shown.token_ids) == tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_dict=False
    )
    assert plain.token_ids.count(tokenizer.bos_token_id) == int(family.adds_bos)
    assert file_prompt(tokenizer, tmp_path, {"prompt": text}, chat=True).token_ids == shown.token_ids

    begun = file_prompt(
        tokenizer, tmp_path, {"prompt": text}, prompt_template=(family.bos or "") + "{prompt}"
    )
    if family.adds_bos:
        assert begun.token_ids.count(tokenizer.bos_token_id) == 1, (
            "a template that begins with the start token"
        )

    rows = tmp_path / "sft.jsonl"
    rows.write_text("".join(json.dumps({"prompt": p, "completion": "4"}) + "\n" for p in (text, chat)))
    config = SftConfig.model_validate({"model": {"kind": "recipe"}, "data": {"path": str(rows)}})
    examples = sft_examples(config, tokenizer)
    assert [e.prompt_ids for e in examples] == [plain.token_ids, shown.token_ids]
    assert all(e.completions[0].count(tokenizer.eos_token_id) == 1 for e in examples)

    served = Encoder(tokenizer)
    assert served.encode(CompletionRequest(model="m", prompt=text)) == [(text, plain.token_ids)]
    asked = ChatRequest.model_validate({"model": "m", "messages": chat})
    assert served.encode(asked) == [(shown.text, shown.token_ids)]

    gym = ReasoningGymTask(
        ReasoningGymTaskConfig(style="question", categories=("gcd",), levels=(1,)),
        tokenizer,
        max_prompt_tokens=999,
    )
    (drawn,) = gym.load("train", 1)
    assert drawn.token_ids == prompt_ids(tokenizer, [drawn.text], from_template=True)[0]
    compact = ReasoningGymTask(
        ReasoningGymTaskConfig(categories=("gcd",), levels=(1,)), tokenizer, max_prompt_tokens=999
    )
    (drawn,) = compact.load("train", 1)
    assert drawn.token_ids == prompt_ids(tokenizer, [drawn.text], from_template=False)[0]
    assert tokenizer.eos_token_id not in drawn.token_ids[1:]


def test_completions_get_the_end_token_alone(name: str) -> None:
    tokenizer = build(name)
    first, second = completion_ids(tokenizer, ["so 4", "so 4" + tokenizer.eos_token])
    assert (
        first == second and first.count(tokenizer.eos_token_id) == 1 and first[-1] == tokenizer.eos_token_id
    )
    if FAMILIES[name].bos != FAMILIES[name].eos:
        assert tokenizer.bos_token_id not in first


def test_a_classifier_reads_each_special_token_once_and_the_end_of_what_is_too_long(name: str) -> None:
    family, tokenizer = FAMILIES[name], build(name)
    prompt = render_chat(tokenizer, [{"role": "user", "content": "2 + 2?"}], continue_final=False)
    front, behind = added_tokens(tokenizer)
    assert (len(front), len(behind)) == (int(family.adds_bos), int(family.adds_eos))
    for text in (prompt + "4", "4", (family.bos or "") + "x" * 99 if family.adds_bos else "x" * 99):
        (ids,) = sequence_ids(tokenizer, [text], max_length=40)
        assert len(ids) <= 40
        assert tuple(ids[: len(front)]) == front and tuple(ids[len(ids) - len(behind) :]) == behind
        if family.adds_bos and family.chat_starts < 2:
            assert ids.count(tokenizer.bos_token_id) == 1
        assert tokenizer.decode(ids).removesuffix(family.eos).endswith(text[-8:])


@pytest.mark.parametrize("configured", [None, ("<reason>", "</reason>")])
def test_rewards_read_the_thinking_and_no_turn_tokens(name: str, configured: tuple[str, str] | None) -> None:
    tokenizer = build(name)
    opening, closing = tags = thinking_tags_of(FileTaskConfig(path="x", thinking_tags=configured), tokenizer)
    assert tags == (
        configured
        or {"magistral": ("[THINK]", "[/THINK]"), "seed-oss": ("<seed:think>", "</seed:think>")}.get(
            name, ("<think>", "</think>")
        )
    )
    text = f"{opening}3? no.{closing} So 4."
    sampled = tokenizer(text, add_special_tokens=False)["input_ids"]
    decode = make_decode(tokenizer, tags)
    assert [t.strip() for t in decode([[*sampled, tokenizer.eos_token_id], sampled])] == [text] * 2


def test_texts_are_those_of_transformers_whose_decode_holds_the_interpreter(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, rng = build(name), random.Random(name)
    batch = [[rng.randrange(len(tokenizer)) for _ in range(size)] for size in (0, 1, 7, 400)]
    expected = tokenizer.batch_decode(batch, skip_special_tokens=True)
    decode = make_decode(tokenizer, ())
    monkeypatch.setattr(PreTrainedTokenizerFast, "_decode", None)
    assert decode(batch) == expected


def test_a_tokenizer_that_cleans_its_texts_keeps_its_own_way(name: str) -> None:
    tokenizer = copy.copy(build(name))
    tokenizer.clean_up_tokenization_spaces = True
    tokenizer.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output = True
    ids = tokenizer("What is 2 + 2 ?", add_special_tokens=False)["input_ids"]
    assert make_decode(tokenizer, ())([ids])[0].strip() == "What is 2 + 2?"


def test_a_final_message_is_continued_and_its_turn_stays_open(name: str) -> None:
    tokenizer = build(name)
    messages = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "The sum is"}]
    shown = render_chat(tokenizer, messages, continue_final=True)
    assert shown.endswith("The sum is") and shown.count("2 + 2?") == 1
    with pytest.raises(ValueError, match="ends with a message of the assistant"):
        render_chat(tokenizer, messages, continue_final=False)
