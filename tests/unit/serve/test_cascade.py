"""Cascades over scripted engines: who is asked, what is taken, what it costs, and what is refused."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from starlette.testclient import TestClient

from planner.cost.flops import ModelShape
from planner.cost.measured import MeasuredCost, StepWork
from planner.cost.serving import ServingCost
from rewards import build_reward
from rl.serve.app import ServeService
from rl.serve.cascade import CascadeAnswerer, Price, Rung, Voice
from rl.serve.cascade_plan import CascadePlan, from_options, read_cascade
from rl.serve.cascade_start import prices_of
from rl.serve.gate import Gate
from rl.serve.judges import Judge
from tests.unit.serve.scripted import Engine, Rewarding, answerer_of

SMALL = ModelShape(params=100.0, layers=1, attention_width=0, kv_width=0)
LARGE = ModelShape(params=1000.0, layers=1, attention_width=0, kv_width=0)
PER_TOKEN = MeasuredCost(coefficients=StepWork(steps=0, prompt_tokens=1.0, sampled=2.0), usd_per_hour=3600.0)
"""A second, and a dollar, for each token of a prompt; two for each sampled one."""


def cascade(
    *texts: list[str],
    reward: str | None = None,
    samples: int = 2,
    agree: int = 2,
    pairs: bool = False,
    cost: MeasuredCost | None = None,
    same_tokens: bool = True,
    **defaults: Any,
) -> tuple[Any, list[Engine]]:
    """An application over one engine for each list of texts: "small", "large", "larger"; with ``pairs`` the
    first two are one rung."""
    engines = [Engine(each) for each in texts]
    judge = None if reward is None else Judge(reward, {}, Rewarding(build_reward(reward, {})))
    voices = [
        Voice(
            name=name,
            answerer=answerer_of(engine, reward=reward, judge=judge, **defaults),
            price=Price(shape=SMALL if name == "small" else LARGE, cost=cost),
        )
        for name, engine in zip(("small", "large", "larger"), engines, strict=False)
    ]
    groups = [(voices[0], voices[1]), *((v,) for v in voices[2:])] if pairs else [(v,) for v in voices]
    rungs = tuple(Rung(voices=tuple(group), samples=samples, agree=agree) for group in groups)
    answerer = CascadeAnswerer(rungs=rungs, judge=judge, same_tokens=same_tokens)
    answerers = {"cascade": answerer} | {voice.name: voice.answerer for voice in voices}
    gate = Gate(parallel=4, waiting=4, timeout_s=5)
    return ServeService(answerers, gate, token=None, max_body=4096).app, engines


def post(app: Any, status: int = 200, **fields: Any) -> Any:
    body = {"model": "cascade", "prompt": "2+2=", **fields}
    response = TestClient(app).post("/v1/completions", json=body)
    assert response.status_code == status, response.text
    return response.json()


def test_samples_that_agree_are_taken_and_the_large_model_sleeps() -> None:
    app, (small, large) = cascade(["so, 4", "it is 4"], ["5"])
    answer = post(app)
    assert answer["choices"][0]["text"] == "so, 4" and answer["t2rl"]["model"] == "small"
    assert answer["t2rl"]["accepted"] and not answer["t2rl"]["fallback"] and answer["t2rl"]["rung"] == 1
    assert small.given == 2 and large.given == 0
    # The prompt's 4 tokens once, for both samples; "so, 4" and "it is 4" with their end tokens.
    assert answer["usage"] == {"prompt_tokens": 4, "completion_tokens": 14, "total_tokens": 18}
    # 2 N a token: 100 weights.
    assert answer["t2rl"]["flops"] == 2 * 100 * 18 and answer["t2rl"]["usd"] is None


def test_samples_that_differ_are_passed_on_and_every_rung_is_billed() -> None:
    app, (small, large) = cascade(["4", "5"], ["44"], samples=1, cost=PER_TOKEN)
    answer = post(app)
    facts = answer["t2rl"]
    assert answer["choices"][0]["text"] == "44" and (facts["rung"], facts["model"]) == (2, "large")
    assert (small.given, large.given) == (2, 1)
    first, second = facts["rungs"]
    assert (first["gate"], first["taken"], first["samples"]) == ("agreement", False, 2)
    assert (second["gate"], second["samples"], second["models"]) == ("vote", 1, ["large"])
    assert first["flops"] == 2 * 100 * (4 + 4) and second["flops"] == 2 * 1000 * (4 + 3)
    assert first["usd"] == pytest.approx(4 * 1.0 + 4 * 2.0) and second["usd"] == pytest.approx(4 + 3 * 2.0)
    assert facts["usd"] == pytest.approx(first["usd"] + second["usd"])
    assert answer["usage"]["total_tokens"] == 8 + 7


def test_a_verifier_passes_on_what_it_rejects() -> None:
    app, (small, large) = cascade(["5", "6"], ["7", "4"], reward="exact")
    answer = post(app, t2rl={"answer": "4"})
    assert answer["choices"][0]["text"] == "4" and answer["t2rl"]["model"] == "large"
    assert [rung["gate"] for rung in answer["t2rl"]["rungs"]] == ["verifier", "verifier"]
    assert (small.given, large.given) == (2, 2)
    easy, (_, idle) = cascade(["4", "6"], ["7"], reward="exact", samples=1)
    assert post(easy, t2rl={"answer": "4"})["t2rl"]["stopped_early"] and idle.given == 0


def test_nothing_taken_is_the_last_rungs_most_frequent_answer() -> None:
    app, _ = cascade(["5", "6"], ["1", "3", "3"], reward="exact", samples=3)
    answer = post(app, t2rl={"answer": "4"})
    assert answer["choices"][0]["text"] == "3"
    assert answer["t2rl"]["fallback"] and not answer["t2rl"]["accepted"] and answer["t2rl"]["rung"] == 2


def test_a_pair_of_models_must_agree() -> None:
    same, engines = cascade(["4"], ["it is 4"], ["5"], pairs=True, agree=1)
    assert post(same)["choices"][0]["text"] == "4" and [e.given for e in engines] == [1, 1, 0]
    different, engines = cascade(["4"], ["6"], ["5"], pairs=True, agree=1, samples=1)
    answer = post(different)
    assert answer["t2rl"]["model"] == "larger" and [e.given for e in engines] == [1, 1, 1]
    assert answer["t2rl"]["rungs"][0]["models"] == ["small", "large"]


def test_the_budget_is_hard_over_all_rungs() -> None:
    """The first rung takes 4 + 4 of 12 tokens; the second could not even hold its prompt."""
    app, (_, large) = cascade(["4", "5"], ["7"], max_tokens=2)
    answer = post(app, t2rl={"budget_tokens": 12})
    assert answer["usage"]["total_tokens"] == 8 and large.given == 0
    assert answer["t2rl"]["fallback"] and (answer["t2rl"]["rung"], answer["t2rl"]["model"]) == (1, "small")


def test_a_text_without_an_answer_agrees_with_nothing() -> None:
    app, (_, large) = cascade([" ", " "], ["4"])
    assert post(app)["t2rl"]["model"] == "large" and large.given


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"t2rl": {"strategy": "none"}}, "a cascade decides by its rungs"),
        ({"temperature": 0}, "all samples of small would agree"),
        ({"n": 2}, "name one of the cascade's models for that"),
        ({"prompt": [50, 43, 50]}, "different tokens; send the text"),
        ({"t2rl": {"budget_tokens": 4}}, "cannot hold the prompt"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], words: str) -> None:
    app, engines = cascade(["4"], ["5"], same_tokens=False)
    assert words in post(app, status=400, **fields)["error"]["message"]
    assert not any(engine.given for engine in engines)


def test_one_of_its_models_by_name() -> None:
    app, (small, _) = cascade(["4"], ["5"])
    answer = post(app, model="large", t2rl={"strategy": "none"})
    assert answer["choices"][0]["text"] == "5" and answer["model"] == "large" and not small.given
    cards = TestClient(app).get("/v1/models").json()["data"]
    assert [card["id"] for card in cards] == ["cascade", "small", "large"]


def test_plans_come_from_options_and_files(tmp_path: Path) -> None:
    plan = from_options("a", ["b", "c"], samples=3, agree=2)
    assert [(str(r.model), r.samples, r.agree) for r in plan.rungs] == [("a", 3, 2), ("b", 3, 2), ("c", 3, 2)]
    file = tmp_path / "cascade.json"
    file.write_text('{"rungs": [{"model": "a", "partner": "b"}, {"model": "/c", "samples": 2}], "cost": 1}')
    first, last = read_cascade(file).rungs
    assert first.models == (tmp_path / "a", tmp_path / "b") and (first.samples, first.agree) == (1, 1)
    assert (str(last.model), last.samples, last.agree) == ("/c", 2, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{rungs: [{model: a}]}", "a cascade has at least two"),
        ("{rungs: [{model: a, agree: 1}, {model: b}]}", "one sample always agrees with itself"),
        ("{rungs: [{model: a}, {model: b, partner: c}]}", "its answer stands whoever agrees"),
        ("{rungs: [{mdel: a}, {model: b}]}", "rungs.0"),
        ("{rungs: [", "neither JSON nor YAML"),
    ],
)
def test_wrong_plans_say_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "cascade.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=words) as raised:
        read_cascade(file)
    assert str(file) in str(raised.value)


def test_agree_from_the_command_line() -> None:
    with pytest.raises(ValueError, match="--agree 1: one sample"):
        from_options("a", ["b"], samples=1, agree=1)
    with pytest.raises(ValueError, match="no such file; t2rl plan cascade"):
        read_cascade(Path("nowhere.json"))
    assert CascadePlan.model_validate({"rungs": [{"model": "a"}, {"model": "b"}]}).rungs[0].agree == 4


def test_prices_are_those_of_the_format_that_is_served(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"model_type": "llama", "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 8,'
        ' "intermediate_size": 16, "vocab_size": 32}'
    )
    weight = {"model.layers.0.mlp.up_proj.weight": np.zeros((16, 8), dtype=np.float32)}
    save_file(weight, tmp_path / "model.safetensors")
    name = tmp_path.resolve().name

    def priced(dtype: str, *keys: tuple[str, int]) -> ServingCost | None:
        served: Any = SimpleNamespace(
            model=tmp_path, config=SimpleNamespace(rollout=SimpleNamespace(dtype=dtype))
        )
        return prices_of({tmp_path: served}, dict.fromkeys(keys, PER_TOKEN))[tmp_path].cost

    assert priced("float32", (name, 0)) is PER_TOKEN and priced("bfloat16", (name, 16)) is PER_TOKEN
    assert priced("float32") is None
    for dtype, key in (("float32", (name, 16)), ("bfloat16", (name, 8)), ("float32", ("other", 0))):
        with pytest.raises(ValueError, match=f"--cost: measured for {key[0]} at {key[1]} bits"):
            priced(dtype, key)
