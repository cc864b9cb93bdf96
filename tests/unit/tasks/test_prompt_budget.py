"""Prompts that name their length budget: filled in late, tokenised as they were, held-out ones with the last
step's."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rl.config.schema import Config
from rl.tasks import build_task
from rl.tasks.prompt_budget import final_budget, prompt_budget

TEMPLATE = "{prompt} Use exactly {budget} tokens."


def config_of(
    path: str, *, max_model_len: int = 200, curriculum: dict[str, Any] | None = None, **task: Any
) -> Config:
    return Config.model_validate(
        {
            "task": {"kind": "file", "train": path, "prompt_template": TEMPLATE, **task},
            "model": {"kind": "recipe"},
            "run": {"steps": 100},
            "rollout": {"max_tokens": 64, "max_model_len": max_model_len},
            "curriculum": curriculum or {},
            "stream": {"prompts_per_step": 4, "rollouts_per_prompt": 4},
        }
    )


def prompts_of(config: Config, tokenizer: Any) -> list[Any]:
    rollout = config.rollout
    task = build_task(
        config.task, tokenizer, max_model_len=rollout.max_model_len, max_tokens=rollout.max_tokens
    )
    return task.load("train")


ROWS = [{"prompt": f"{i} + {i}?", "answer": str(2 * i)} for i in range(3)]


@pytest.mark.parametrize("chat", [False, True])
def test_budgets_are_filled_in_and_tokenised_as_the_prompts_were(
    tokenizer: Any, chat_tokenizer: Any, jsonl: Callable[..., str], chat: bool
) -> None:
    used = chat_tokenizer if chat else tokenizer
    config = config_of(jsonl(ROWS), chat=chat)
    prompts = prompts_of(config, used)
    fill = prompt_budget(config, used, prompts)
    assert fill is not None
    filled = fill(prompts[1], 32)
    assert filled.text == (
        "[user]1 + 1? Use exactly 32 tokens.[assistant]" if chat else "1 + 1? Use exactly 32 tokens."
    )
    assert used.decode(filled.token_ids) == ("" if chat else "<s>") + filled.text
    assert (filled.token_ids[0] == used.bos_token_id) is not chat
    assert (filled.id, filled.answer) == (prompts[1].id, "2")
    assert "{budget}" in prompts[1].text, "the pool's prompts stay as they are"


def test_texts_and_chats_of_one_file_are_each_tokenised_again_in_their_own_way(
    chat_tokenizer: Any, jsonl: Callable[..., str]
) -> None:
    rows = [
        {"prompt": "1 + 1?", "answer": "2"},
        {"prompt": [{"role": "user", "content": "2 + 2?"}], "answer": "4"},
    ]
    config = config_of(jsonl(rows))
    plain, chat = prompts_of(config, chat_tokenizer)
    fill = prompt_budget(config, chat_tokenizer, [plain, chat])
    assert fill is not None
    assert chat_tokenizer.decode(fill(plain, 32).token_ids) == "<s>1 + 1? Use exactly 32 tokens."
    assert chat_tokenizer.decode(fill(chat, 32).token_ids) == "[user]2 + 2? Use exactly 32 tokens.[assistant]"


def test_templates_without_a_budget_cost_nothing(tokenizer: Any, jsonl: Callable[..., str]) -> None:
    config = config_of(jsonl([{"prompt": "what is a {budget}?", "answer": "x"}]), prompt_template="{prompt}")
    assert prompt_budget(config, tokenizer, prompts_of(config, tokenizer)) is None


def test_what_cannot_be_tokenised_again_is_refused(
    tokenizer: Any, chat_tokenizer: Any, jsonl: Callable[..., str]
) -> None:
    config = config_of(jsonl(ROWS), chat=True)
    prompts = prompts_of(config, chat_tokenizer)
    changed = [replace(p, token_ids=(1, *p.token_ids)) for p in prompts]
    with pytest.raises(ValueError, match=r"task: \{budget\} needs prompts that can be tokenised again"):
        prompt_budget(config, chat_tokenizer, changed)


def test_a_budget_longer_than_its_placeholder_may_not_fit(tokenizer: Any, jsonl: Callable[..., str]) -> None:
    config = config_of(jsonl(ROWS))
    prompts = prompts_of(config, tokenizer)
    fill = prompt_budget(config, tokenizer, prompts)
    assert fill is not None
    with pytest.raises(ValueError, match=r"with a budget of 10{120} in it, more than the 136 that fit"):
        fill(prompts[0], 10**120)


def test_held_out_prompts_name_the_last_steps_budget(jsonl: Callable[..., str]) -> None:
    path = jsonl(ROWS)
    part = {
        "name": "train_long_think_short",
        "args": {"mode": "hard", "start": 50, "final": 12.5, "decays": 4},
    }
    assert final_budget(config_of(path)) == 64
    assert final_budget(config_of(path, curriculum={"length": part})) == 12
