"""What a request gets: OpenAI's shapes, strategies, early stops, fallbacks, and budgets that hold."""

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.unit.serve.scripted import Engine, service

CHECK = {"id": "q", "answer": "4"}


def post(app: Any, path: str = "/v1/completions", **fields: Any) -> Any:
    prompt = {"prompt": "2+2="} if path == "/v1/completions" else {}
    response = TestClient(app).post(path, json={"model": "toy", **prompt, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def test_a_completion_stops_at_the_first_accepted_round_and_counts_every_token() -> None:
    engine = Engine(["5", "66", "4", "7"])
    answer = post(service(engine, reward="exact", round_samples=2).app, t2rl=CHECK)
    assert answer["choices"] == [{"index": 0, "text": "4", "logprobs": None, "finish_reason": "stop"}]
    # Two rounds of two: the prompt's 4 tokens twice; "5", "66", "4", "7" with their end tokens.
    assert answer["usage"] == {"prompt_tokens": 8, "completion_tokens": 9, "total_tokens": 17}
    assert answer["t2rl"] == {
        "samples": 4,
        "k": 8,
        "accepted": True,
        "fallback": False,
        "strategy": "repeated_sampling",
        "budget_tokens": 8 * (4 + 10),
        "stopped_early": True,
    }
    assert (
        answer["object"] == "text_completion"
        and answer["model"] == "toy"
        and answer["id"].startswith("cmpl-")
    )


def test_a_chat_goes_through_the_template() -> None:
    engine = Engine(["4"])
    messages = [
        {"role": "system", "content": "Add."},
        {"role": "user", "content": [{"type": "text", "text": "2+2"}]},
    ]
    answer = post(service(engine).app, "/v1/chat/completions", messages=messages, max_completion_tokens=3)
    assert "".join(map(chr, engine.requests[0].prompt_token_ids)) == "s:Add.\nu:2+2\na:"
    assert engine.requests[0].sampling.max_tokens == 3
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "4", "refusal": None}
    assert answer["object"] == "chat.completion" and answer["id"].startswith("chatcmpl-")


def test_without_a_verifier_votes_decide_and_stop_once_settled() -> None:
    unanimous = post(service(Engine(["= 4"]), samples=16).app)
    assert unanimous["t2rl"]["strategy"] == "majority" and unanimous["choices"][0]["text"] == "= 4"
    assert (unanimous["t2rl"]["samples"], unanimous["t2rl"]["stopped_early"]) == (
        4,
        True,
    ), "four agree: 1 - 2^-5 is above .95"
    split = post(service(Engine(["4", "5"]), samples=8).app)
    assert (split["t2rl"]["samples"], split["t2rl"]["accepted"], split["t2rl"]["stopped_early"]) == (
        8,
        False,
        False,
    )


def test_a_request_that_brings_nothing_to_judge_by_is_put_to_the_vote() -> None:
    assert post(service(Engine(["4"]), reward="exact").app)["t2rl"]["strategy"] == "majority"


def test_nothing_accepted_returns_the_most_frequent_answer_and_says_so() -> None:
    answer = post(service(Engine(["1", "3", "2", "3"]), reward="exact", samples=4).app, t2rl=CHECK)
    assert answer["choices"][0]["text"] == "3"
    assert (answer["t2rl"]["accepted"], answer["t2rl"]["fallback"], answer["t2rl"]["stopped_early"]) == (
        False,
        True,
        False,
    )
    silent = post(service(Engine([""]), reward="exact", samples=2).app, t2rl=CHECK)
    assert silent["choices"][0]["text"] == "" and silent["t2rl"]["fallback"]


def test_a_cut_answer_says_length() -> None:
    answer = post(service(Engine(["123456"]), samples=1).app, max_tokens=3)
    assert (answer["choices"][0]["text"], answer["choices"][0]["finish_reason"]) == ("123", "length")


def test_scores_choose_where_the_strategy_says_so() -> None:
    app = service(Engine(["1", "4", "1"]), reward="exact", samples=3).app
    best = post(app, t2rl=CHECK | {"strategy": "best_of_n"})
    assert best["choices"][0]["text"] == "4" and best["t2rl"]["samples"] == 3
    assert post(app, t2rl=CHECK | {"strategy": "weighted_vote"})["choices"][0]["text"] == "4"
    assert post(app, t2rl=CHECK | {"strategy": "majority"})["choices"][0]["text"] == "1"


def test_a_reward_of_form_alone_scores_every_request() -> None:
    answer = post(
        service(Engine(["a a a a a a a a", "a b"]), reward="repetition", samples=2, max_tokens=20).app
    )
    assert answer["t2rl"]["strategy"] == "best_of_n" and answer["choices"][0]["text"] == "a b"


def test_metadata_reaches_the_reward() -> None:
    constraints = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}], "prompt": "2+2="}
    answer = post(
        service(Engine(["no, never", "never"]), reward="ifeval", round_samples=1).app,
        t2rl={"metadata": constraints},
    )
    assert answer["choices"][0]["text"] == "never" and answer["t2rl"]["samples"] == 2


def test_greedy_decoding_draws_one_sample() -> None:
    engine = Engine(["4"])
    assert post(service(engine).app, temperature=0)["t2rl"]["k"] == 1
    assert engine.requests[0].sampling.temperature == 0


def test_a_seed_fixes_the_engine_seeds() -> None:
    engine = Engine(["1", "2"])
    app = service(engine, samples=4).app
    seeds = []
    for seed in (7, 7, -8):
        engine.given = 0
        post(app, seed=seed)
        seeds.append(engine.requests[-1].seeds)
    assert seeds[0] == seeds[1] != seeds[2]


def test_token_ids_are_a_prompt() -> None:
    engine = Engine(["4"])
    post(service(engine, samples=1).app, prompt=[50, 43])
    assert engine.requests[0].prompt_token_ids == (50, 43)


@settings(deadline=None, max_examples=60)
@given(
    budget=st.integers(5, 200),
    k=st.integers(1, 12),
    together=st.integers(1, 5),
    strategy=st.sampled_from(["repeated_sampling", "majority", "best_of_n", "weighted_vote"]),
    texts=st.lists(st.text("45", max_size=12), min_size=1, max_size=6),
)
def test_budgets_are_hard(budget: int, k: int, together: int, strategy: str, texts: list[str]) -> None:
    engine = Engine(texts)
    app = service(engine, reward="exact", samples=k, round_samples=together).app
    hints = {"answer": "4", "strategy": strategy, "budget_tokens": budget}
    answer = post(app, t2rl=hints)
    used, facts = answer["usage"], answer["t2rl"]
    assert used["total_tokens"] <= budget == facts["budget_tokens"]
    assert used["completion_tokens"] == engine.generated, "discarded samples are charged"
    assert used["prompt_tokens"] == 4 * len(engine.requests), "every round pays the prompt"
    assert 1 <= facts["samples"] <= k


def test_requests_at_once_do_not_mix_up_and_have_groups_of_their_own() -> None:
    engine = Engine(["4", "5"])
    app = service(engine, samples=4).app

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            return await asyncio.gather(
                *(
                    client.post(
                        "/v1/completions", json={"model": "toy", "prompt": f"{i}+", "max_tokens": 1 + i}
                    )
                    for i in range(4)
                )
            )

    answers = asyncio.run(ask())
    assert [a.status_code for a in answers] == [200] * 4
    assert len({r.group_id for r in engine.requests}) == len(engine.requests)
    assert [a.json()["t2rl"]["budget_tokens"] for a in answers] == [4 * (2 + 1 + i) for i in range(4)]


def test_the_operators_budget_is_a_ceiling() -> None:
    app = service(Engine(["1", "2"]), budget_tokens=30).app
    assert post(app)["t2rl"]["budget_tokens"] == 30
    assert post(app, t2rl={"budget_tokens": 20})["usage"]["total_tokens"] <= 20
    refused = TestClient(app).post(
        "/v1/completions", json={"model": "toy", "prompt": "?", "t2rl": {"budget_tokens": 31}}
    )
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "t2rl.budget_tokens"


@pytest.mark.parametrize("budget", [1, 4])
def test_a_budget_without_room_for_a_token_is_refused(budget: int) -> None:
    engine = Engine(["4"])
    body = {"model": "toy", "prompt": "2+2=", "t2rl": {"budget_tokens": budget}}
    refused = TestClient(service(engine).app).post("/v1/completions", json=body)
    assert refused.status_code == 400 and not engine.requests


def test_votes_are_on_what_follows_a_thinking_that_the_prompt_opened() -> None:
    engine = Engine(["3 3 3", "3 3 3", "9</think>4", "8</think>4"])
    answer = post(service(engine, max_tokens=20, samples=4, round_samples=4).app, prompt="2+2?<think>")
    assert answer["choices"][0]["text"] == "9</think>4", "an unfinished thinking says nothing"
