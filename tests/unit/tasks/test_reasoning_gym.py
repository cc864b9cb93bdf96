"""The reasoning-gym task: fixed by (seed, index), splits that cannot meet, even strata, clear refusals."""

import json
import re
from collections import Counter
from itertools import islice
from typing import Any

import pytest

from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.pretrain.tokenizer import char_tokenizer
from rl.tasks.reasoning_gym import ReasoningGymTask
from rl.tasks.rg_cells import CATEGORIES, generator_args, iter_entries, signed_terms, split_of

TOKENIZER = char_tokenizer(256)


def make_task(max_prompt_tokens: int = 64, **fields: Any) -> ReasoningGymTask:
    return ReasoningGymTask(ReasoningGymTaskConfig(**fields), TOKENIZER, max_prompt_tokens=max_prompt_tokens)


def test_the_default_has_five_categories_of_four_levels_and_every_cell_serves_every_split() -> None:
    task = make_task()
    for split in ("train", "dev", "test"):
        cells = Counter((p.category, p.difficulty) for p in task.load(split, 200))
        assert len({c for c, _ in cells}) == 5
        assert len(cells) == 20
        assert set(cells.values()) == {10}


def test_the_same_config_gives_the_same_prompts_and_another_seed_gives_others() -> None:
    assert make_task(seed=3).load("train", 100) == make_task(seed=3).load("train", 100)
    first, second = ({p.text for p in make_task(seed=s).load("train", 100)} for s in (3, 4))
    assert len(first & second) < 20


def test_a_prompt_can_be_drawn_again_from_its_seed_and_index() -> None:
    prompt = make_task(categories=("gcd",), levels=(3,), seed=7).load("train", 5)[-1]
    index = int(prompt.id.rsplit("/", 1)[1])
    _, entry = next(islice(iter_entries("gcd", generator_args("gcd", 3, {}), seed=7), index, None))
    assert CATEGORIES["gcd"].question(entry["metadata"]) == prompt.text


def test_splits_share_no_text_over_seeds_and_levels() -> None:
    texts = {
        s: {p.text for seed in (0, 1) for p in make_task(seed=seed).load(s, 300)}
        for s in ("train", "dev", "test")
    }
    assert not texts["train"] & texts["dev"]
    assert not texts["train"] & texts["test"]
    assert not texts["dev"] & texts["test"]
    assert all(split_of(t) == s for s, group in texts.items() for t in group)


def test_texts_and_ids_are_unique_although_levels_overlap() -> None:
    prompts = make_task(categories=("gcd", "chain_sum"), train_prompts=1000).load("train")
    assert len({p.text for p in prompts}) == len({p.id for p in prompts}) == len(prompts) == 1000


def test_a_shorter_list_begins_a_longer_one() -> None:
    task = make_task()
    assert task.load("test", 150) == task.load("test", 400)[:150]


def test_an_exhausted_cell_leaves_its_share_to_the_others_and_then_the_list_ends() -> None:
    task = make_task(categories=("count_bits",), levels=(1, 2))
    prompts = task.load("train")
    assert {int(p.text[2:-1]) for p in prompts} == {
        n for n in range(1, 256) if split_of(f"b {n}=") == "train"
    }


def test_weights_shape_train_and_leave_test_even() -> None:
    task = make_task(categories=("chain_sum", "spell_backward"), levels=(2,), weights={"chain_sum": 3.0})
    assert Counter(p.category for p in task.load("train", 100)) == {"chain_sum": 75, "spell_backward": 25}
    assert Counter(p.category for p in task.load("test", 20)) == {"chain_sum": 10, "spell_backward": 10}


def test_prompts_look_as_documented() -> None:
    by_category = {p.category: p for p in make_task(levels=(2,)).load("dev", 5)}
    marks = {"chain_sum": "s", "count_bits": "b", "gcd": "g", "number_sorting": "ud", "spell_backward": "r"}
    assert all(p.text[0] in marks[c] for c, p in by_category.items())
    assert by_category.keys() == marks.keys()
    for prompt in by_category.values():
        assert prompt.text.endswith("=")
        assert prompt.id.startswith(f"dev/{prompt.category}/L2/")
        assert prompt.token_ids == tuple(TOKENIZER(prompt.text)["input_ids"])
        assert prompt.token_ids[0] == TOKENIZER.bos_token_id
        assert TOKENIZER.decode(prompt.token_ids[1:]) == prompt.text


def test_answers_agree_with_an_independent_computation() -> None:
    for prompt in make_task(categories=("chain_sum",)).load("test", 60):
        assert int(prompt.answer) == eval(prompt.text[2:-1])
    for prompt in make_task(categories=("count_bits",)).load("test", 60):
        assert int(prompt.answer) == bin(int(prompt.text[2:-1])).count("1")
    for prompt in make_task(categories=("number_sorting",)).load("test", 60):
        numbers = sorted(map(int, prompt.text[2:-1].split(",")), reverse=prompt.text[0] == "d")
        assert prompt.answer == ",".join(map(str, numbers))


def test_signed_terms() -> None:
    assert signed_terms("3 - 7 + 8") == ["3", "-7", "+8"]


def test_the_question_style_takes_any_dataset_with_levels_of_its_own_and_an_instruction() -> None:
    levels = {"lcm": ({"max_value": 9}, {"max_value": 40})}
    fields = {
        "style": "question",
        "categories": ("lcm", "gcd"),
        "levels": (1, 2),
        "level_args": levels,
        "instruction": "Just the number.",
    }
    prompts = make_task(500, **fields).load("train", 40)
    assert Counter((p.category, p.difficulty) for p in prompts) == {
        (c, n): 10 for c in ("lcm", "gcd") for n in (1, 2)
    }
    assert all(p.text.endswith("Just the number.") for p in prompts)
    assert prompts[0].text.startswith("Find the Least Common Multiple (LCM)")
    assert prompts[0].metadata["config"] == {"max_value": 9}


def test_a_question_in_words_of_ones_own() -> None:
    fields = {
        "style": "question",
        "categories": ("products",),
        "levels": (1,),
        "level_args": {"products": ({"min_digits": 1, "max_digits": 1},)},
        "question_template": "What is {expression}?",
        "instruction": "Just the number.",
    }
    prompts = make_task(500, **fields).load("train", 20)
    for prompt in prompts:
        asked = re.fullmatch(r"What is (\d) \* (\d)\? Just the number\.", prompt.text)
        assert asked and int(asked[1]) * int(asked[2]) == int(prompt.answer)
    fields["question_template"] = "What is {sum}?"
    with pytest.raises(
        ValueError, match=r"task\.question_template: .* does not fit 'products'.*'expression'"
    ):
        make_task(500, **fields).load("train", 1)


def test_a_chat_template_is_applied_to_questions() -> None:
    tokenizer = char_tokenizer(256)
    tokenizer.chat_template = "<{% for m in messages %}{{ m.role }}:{{ m.content }}{% endfor %}>"
    config = ReasoningGymTaskConfig(style="question", categories=("gcd",), levels=(1,))
    prompt = ReasoningGymTask(config, tokenizer, max_prompt_tokens=500).load("train", 1)[0]
    assert prompt.text.startswith("<user:Find the Greatest")
    assert prompt.token_ids[0] != tokenizer.bos_token_id  # the template decides about special tokens
    assert len(prompt.token_ids) == len(prompt.text)


def test_metadata_is_json() -> None:
    for prompt in make_task().load("train", 40):
        assert json.loads(json.dumps(prompt.metadata)) == prompt.metadata


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"categories": ("chess",)}, "task.categories: 'chess' is no reasoning-gym dataset"),
        (
            {"categories": ("lcm",), "level_args": {"lcm": ({},) * 4}},
            "no compact form for .*task.style=question",
        ),
        ({"levels": (5,)}, "task.levels: chain_sum has 4 level"),
        ({"style": "question", "categories": ("lcm",)}, "task.level_args.lcm"),
        (
            {"categories": ("gcd",), "levels": (1,), "level_args": {"gcd": ({"max_vlaue": 3},)}},
            "refuses .*max_vlaue",
        ),
        (
            {"categories": ("gcd",), "levels": (1,), "level_args": {"gcd": ({"min_numbers": 1},)}},
            "min_numbers must be at least 2",
        ),
        (
            {
                "categories": ("spell_backward",),
                "levels": (1,),
                "level_args": {"spell_backward": ({"min_word_len": 40, "max_word_len": 50},)},
            },
            "level_args.spell_backward: .*draws nothing",
        ),
    ],
)
def test_wrong_configs_name_the_field(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_task(**fields).load("train", 1)


def test_a_prompt_that_does_not_fit_is_refused_by_id() -> None:
    with pytest.raises(ValueError, match=r"test/chain_sum/L4/\d+ has \d+ tokens, more than the 8 that fit"):
        make_task(8, categories=("chain_sum",), levels=(4,)).load("test")


def test_a_cell_can_be_the_category() -> None:
    prompts = make_task(categories=("gcd", "chain_sum"), levels=(1, 3), category_of="cell").load("train", 8)
    assert {(p.category, p.difficulty) for p in prompts} == {
        ("gcd/L1", 1),
        ("gcd/L3", 3),
        ("chain_sum/L1", 1),
        ("chain_sum/L3", 3),
    }
    assert all(p.metadata["dataset"] == p.category.split("/")[0] for p in prompts), (
        "the reward still asks the dataset"
    )
