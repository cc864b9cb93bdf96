"""Build on Ray, score, post-train with real vLLM and DeepSpeed, plan: a ladder of six bases of a few thousand
weights."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from rl.cli import app

SIZES = {"8k": 16, "16k": 24, "32k": 32}
GCD = {"gcd": [{"min_value": 1, "max_value": top} for top in (19, 29, 39)]}
LADDER = {
    "name": "ci",
    "sizes": {
        name: {
            "hidden_size": hidden,
            "num_layers": 2,
            "num_heads": 1,
            "head_dim": 32,
            "intermediate_size": 2 * hidden,
        }
        for name, hidden in SIZES.items()
    },
    "ratios": [5, 20],
    "corpus": {"level_weights": [1, 1, 1], "direct_share": 1, "sloppy_share": 0, "level_args": GCD},
    "evaluation": {"problems_per_cell": 2, "samples": 16, "task": {"level_args": GCD}},
}
FAST = [
    "run.steps=1",
    "stream.prompts_per_step=2",
    "stream.rollouts_per_prompt=4",
    "evaluation.num_prompts=2",
    "evaluation.greedy=false",
    "tracker=none",
]


def call(*args: object) -> dict:
    result = CliRunner().invoke(app, [str(a) for a in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ladder")
    file = path / "ci.yaml"
    file.write_text(yaml.safe_dump(LADDER))
    built = call("bases", "build", file, "--dir", path / "out", "--jobs", 2, "--json")
    assert len(built["cells"]) == 6
    base = path / "out" / "cells" / "8k-r20" / "model"
    facts = {"model": str(base), "params": 9000, "tokens": 2e5}
    outside = {"checkpoints": [{"name": name} | facts for name in ("other", "twin")]}
    (path / "out" / "external.yaml").write_text(yaml.safe_dump(outside))
    return path / "out"


def test_the_whole_way(ladder: Path) -> None:
    # Nothing is left to do.
    again = call("bases", "build", ladder / "ladder.yaml", "--dir", ladder, "--json")
    assert again["cells"][0]["name"] == "8k-r5"
    names = "32k-r20,other"
    posts = call("bases", "post-train", ladder, "--config", "debug", "--cells", names, "--json", *FAST)[
        "post"
    ]
    assert [post["name"] for post in posts] == ["32k-r20", "other"]
    assert all(post["steps"] == 1 and post["post_flops"] > 0 for post in posts)
    trained_on = yaml.safe_load((ladder / posts[0]["run"] / "config.yaml").read_text())["task"]
    assert trained_on["level_args"] == GCD, "the ladder's problems, not the quickstart's"

    scores = {s["key"]: s for s in call("bases", "eval", ladder, "--bits", "4", "--json")["scores"]}
    assert set(scores) >= {"8k-r5", "32k-r20", "32k-r20+rl", "32k-r20@int4", "other", "other+rl"}
    assert scores["other"]["pass"] == scores["8k-r20"]["pass"]
    assert scores["32k-r20@int4"]["quantised_weights"] > 0
    assert all(abs(s["mode_gap_se"]) < 4.5 for s in scores.values())  # sampler, verifier and likelihood agree
    assert scores["32k-r20"]["nll"] < scores["8k-r5"]["nll"]

    report = call("plan", "bases", ladder, "--device", "h100_sxm", "--resamples", 3, "--json")
    assert set(report["holdouts"]) == {"H1", "H2", "H3"}
    assert report["surface"]["approach1"]["gamma"] > 0
    assert report["end_to_end"][0]["queries"] == 1e4
    rows = list(csv.DictReader((ladder / "plan" / "tradeoff.csv").read_text().splitlines()))
    assert {r["bits"] for r in rows} == {"0", "4"} and any(r["on_pareto"] == "1" for r in rows)
    assert all(
        (ladder / "plan" / f"{name}.svg").stat().st_size > 1000
        for name in ("isolines", "r_star", "predicted", "pareto")
    )


def test_by_engines(ladder: Path) -> None:
    """Two bases through real vLLM on the run's own task; the planner reads one temperature, cut."""
    asked = ["--config", "debug", "--temperatures", "0.7,1", "--max-tokens", "3,12"]
    few = ["evaluation.num_prompts=6", "evaluation.samples_per_prompt=32"]
    command = ["bases", "eval", ladder, "--cells", "8k-r20,twin", *asked, "--json", *few]
    rows = call(*command)["scores"]
    at = {(r["key"], r["temperature"], r["max_tokens"]): r for r in rows}
    assert set(at) == {(k, t, m) for k in ("8k-r20", "twin") for t in (0.7, 1) for m in (3, 12)}
    for key, temperature, _ in at:
        short, long = (at[key, temperature, m] for m in (3, 12))
        assert short["pass"]["1"] <= long["pass"]["1"]
        assert short["mean_tokens"] <= 3 < long["mean_tokens"] <= 12
    assert at["twin", 0.7, 12]["pass"] == at["8k-r20", 0.7, 12]["pass"], (
        "the same weights, problems and seeds"
    )
    assert at["8k-r20", 1, 12]["sampler"] == "vLLM"
    kept = (ladder / "eval" / "sampled" / "twin.json").stat().st_mtime_ns
    assert call(*command)["scores"] == rows
    assert (ladder / "eval" / "sampled" / "twin.json").stat().st_mtime_ns == kept, "nothing is sampled again"
    plan = ["plan", "bases", ladder, "--device", "h100_sxm", "--resamples", 2, "--json"]
    report = call(*plan, "--temperature", 1, "--max-tokens", 3)
    assert report["axis"] == {"temperature": 1.0, "max_tokens": 3}
    assert [c["pass"]["1"] for c in report["checkpoints"]] == [
        at[k, 1, 3]["pass"]["1"] for k in ("8k-r20", "twin")
    ]


def test_wrong_input_is_told(ladder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    unknown = runner.invoke(app, ["bases", "eval", str(ladder), "--cells", "9k-r5"])
    assert unknown.exit_code == 2 and "no checkpoint 9k-r5" in unknown.output
    empty = runner.invoke(app, ["plan", "bases", str(tmp_path)])
    assert empty.exit_code == 2 and "t2rl bases build" in empty.output
    bits = runner.invoke(app, ["bases", "eval", str(ladder), "--bits", "16"])
    assert bits.exit_code == 2 and "--bits 16" in bits.output
    queries = runner.invoke(app, ["plan", "bases", str(ladder), "--queries", "many"])
    assert queries.exit_code == 2 and "--queries many" in queries.output
