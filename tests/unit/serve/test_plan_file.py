"""The plan's rows by id, category, and for the rest; files that are no plans."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from rl.cli import app as cli
from rl.serve.plan_file import read_plan
from tests.unit.serve.scripted import Engine, service

ROWS = [
    {"id": "a", "category": "gcd", "strategy": "repeated_sampling", "k": 2},
    {"id": "b", "category": "gcd", "strategy": "repeated_sampling", "k": 5},
    {"id": "c", "category": "sort", "strategy": "majority", "k": 0},
]


def written(path: Path, mode: str = "sequential", rows: Any = ROWS) -> Path:
    path.write_text(json.dumps({"mode": mode, "budget_tokens": 9, "queries": rows}))
    return path


def test_look_up(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path / "plan.json"))
    by_id = plan.find(id="b", category="sort")
    assert (by_id.k, by_id.strategy, by_id.category, by_id.source) == (5, "repeated_sampling", "gcd", "id")
    gcd = plan.find(id="new", category="gcd")
    assert (gcd.k, gcd.source) == (4, "category"), "the mean of 2 and 5, rounded to even"
    assert plan.find(id="c", category=None).k == 1, "a request that gets nothing is still answered"
    rest = plan.find(id=None, category="unheard")
    assert (rest.k, rest.strategy, rest.source) == (2, "repeated_sampling", "plan")


def test_what_the_planner_writes_is_read(tmp_path: Path) -> None:
    counts = tmp_path / "counts.jsonl"
    counts.write_text(
        "".join(json.dumps({"id": f"q{i}", "n": 8, "c": i, "category": "gcd"}) + "\n" for i in range(8))
    )
    arguments = ["plan", "queries", str(counts), "--budget-tokens", "40000", "--json"]
    done = CliRunner().invoke(cli, arguments)
    (tmp_path / "plan.json").write_text(done.output)
    plan = read_plan(tmp_path / "plan.json")
    rows = {row["id"]: row["k"] for row in json.loads(done.output)["queries"]}
    assert len(plan) == 8 and plan.mode == "parallel"
    assert {name: plan.find(id=name, category=None).k for name in rows} == {
        name: max(1, k) for name, k in rows.items()
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "--plan"),
        ('{"mode": "sideways", "queries": []}', "mode"),
        ('{"mode": "parallel", "queries": []}', "queries is empty"),
        (
            '{"mode": "parallel", "queries": [{"id": "a", "strategy": "guess", "k": 1}]}',
            "no strategy 'guess'",
        ),
        ('{"mode": "parallel", "queries": [{"id": "a", "strategy": "majority", "k": -1}]}', "queries.0.k"),
    ],
)
def test_what_is_no_plan_is_said(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="--plan") as error:
        read_plan(path)
    assert words in str(error.value)


def ask(app: Any, **hints: Any) -> dict[str, Any]:
    return (
        TestClient(app)
        .post("/v1/completions", json={"model": "toy", "prompt": "?", "t2rl": hints})
        .json()["t2rl"]
    )


def test_requests_get_what_is_planned(tmp_path: Path) -> None:
    engine = Engine(["1", "2"])
    app = service(engine, reward="exact", plan=read_plan(written(tmp_path / "plan.json"))).app
    assert ask(app, id="b", answer="4")["k"] == 5 and len(engine.requests) == 5, (
        "a sequential plan draws one by one"
    )
    assert ask(app, id="b", answer="4")["strategy"] == "repeated_sampling"
    assert ask(app, id="b")["strategy"] == "majority", (
        "planned with a verifier, but there is nothing to judge by"
    )
    assert ask(app, id="c", answer="4")["strategy"] == "majority"
    assert ask(app, category="gcd", answer="4")["k"] == 4
    assert ask(app)["k"] == 2


def test_a_parallel_plan_draws_all_at_once(tmp_path: Path) -> None:
    engine = Engine(["1", "2"])
    app = service(engine, reward="exact", plan=read_plan(written(tmp_path / "plan.json", "parallel"))).app
    assert ask(app, id="b", answer="4")["samples"] == 5
    assert [len(r.seeds) for r in engine.requests] == [5]


def test_the_services_strategy_stands_before_the_plans(tmp_path: Path) -> None:
    app = service(
        Engine(["1"]), reward="exact", plan=read_plan(written(tmp_path / "plan.json")), strategy="best_of_n"
    ).app
    assert ask(app, id="b", answer="4")["strategy"] == "best_of_n"
    assert ask(app, id="b", answer="4", strategy="majority")["strategy"] == "majority"
