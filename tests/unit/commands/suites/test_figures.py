"""Figures of models on suites, from counts on disk."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rl.commands.suites.command import names_of, suite_files
from rl.commands.suites.facts import ModelResults, read_results, write_facts
from rl.commands.suites.figures import figures, spent, to_json
from rl.commands.suites.tables import table_of
from rl.commands.suites.targets import targets_of, unique_labels
from rl.views.evaluations import evaluation_file

SHAPE = {
    "params": 1e6,
    "layers": 2,
    "attention_width": 64,
    "kv_width": 64,
    "width": 64,
    "vocabulary": 100,
    "embedding_params": 6400.0,
}


def results(
    out: Path, label: str, right: list[int], *, n: int = 4, ids: str = "abcd", tokens: int = 40
) -> ModelResults:
    """Counts of one suite as the command leaves them: greedy is right where all samples are."""
    folder = out / label
    (folder / "gsm8k").mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    for temperature, samples in ((0.0, 1), (0.6, n)):
        for name, c in zip(ids, right, strict=True):
            judged = {"n": samples, "c": c if samples == n else int(c == n), "tokens": tokens * samples}
            votes = {"majority": {str(n): float(2 * c > n)}} if samples == n else {}
            more = {"unjudged": 0, "reward": float(c), "truncated": 1, "prompt_tokens": 100}
            rows.append(
                {"version": 0, "temperature": temperature, "id": name, "category": "x"}
                | judged
                | more
                | votes
            )
    text = "".join(json.dumps(row) + "\n" for row in rows)
    evaluation_file(folder / "gsm8k", 0).write_text(text, encoding="utf-8")
    asked = {
        "samples": n,
        "max_tokens": 64,
        "top_p": 1.0,
        "seconds": 2.0,
        "gpus": 2,
        "price_per_gpu_hour": 3.6,
    }
    write_facts(folder, {"model": label, "shape": SHAPE, "suites": {"gsm8k": asked}})
    return read_results(label, folder)


def test_metrics_by_hand(tmp_path: Path) -> None:
    found = figures([results(tmp_path, "a", [0, 1, 4, 4])], compare=False, confidence=0.95, resamples=200)
    values = {figure.metric: figure.values["a"].value for figure in found}
    assert values == pytest.approx(
        {"greedy": 0.5, "pass@1": 9 / 16, "pass@2": (0.5 + 1 + 1) / 4, "pass@4": 0.75, "maj@4": 0.5}
    )
    assert all(f.values["a"].low < f.values["a"].value < f.values["a"].high for f in found)


def test_differences_are_paired_by_problem_and_to_the_first_model(tmp_path: Path) -> None:
    models = [results(tmp_path, "a", [0, 1, 4, 4]), results(tmp_path, "b", [4, 4, 1, 2], ids="dcba")]
    found = {f.metric: f for f in figures(models, compare=True, confidence=0.9, resamples=200)}
    # b by id: a 2, b 1, c 4, d 4
    assert found["pass@1"].differences["b"].value == pytest.approx((2 + 0 + 0 + 0) / 16)
    assert "a" not in found["pass@1"].differences
    other = results(tmp_path, "c", [0, 1, 4, 4], ids="abce")
    with pytest.raises(ValueError, match="gsm8k was asked of other problems: a has 4, c 4, 3 in common"):
        figures([models[0], other], compare=True, confidence=0.9, resamples=10)


def test_costs_by_hand(tmp_path: Path) -> None:
    (cost,) = spent([results(tmp_path, "a", [0, 1, 4, 4])])
    assert (cost.completions, cost.tokens, cost.prompt_tokens, cost.seconds) == (20, 40.0, 100.0, 2.0)
    assert cost.truncated == pytest.approx(8 / 20)
    assert cost.tokens_per_s == pytest.approx(20 * 40 / 2)
    assert cost.money == pytest.approx(2 * 2 / 3600 * 3.6)
    # prefill 2 N P + head + 2 l w P^2; decode L (2N + head) + 4 l w (P L + L^2 / 2)
    head, prefill_attention, decode_attention = 2 * 64 * 100, 2 * 2 * 64 * 1e4, 4 * 2 * 64 * (100 * 40 + 800)
    flops = 2e6 * 140 + 41 * head + prefill_attention + decode_attention
    assert cost.flops_per_query == pytest.approx(flops)


def test_the_table_and_the_json_hold_every_model(tmp_path: Path) -> None:
    models = [results(tmp_path, "a", [0, 1, 4, 4]), results(tmp_path, "b", [2, 1, 4, 4])]
    found = figures(models, compare=True, confidence=0.95, resamples=100)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table_of(["a", "b"], found, spent(models), confidence=0.95))
    text = console.export_text()
    for part in ("gsm8k (4)", "greedy", "maj@4 T=0.6", "tokens/answer", "b -", "GFLOP/query", "money"):
        assert part in text
    plain = json.loads(json.dumps(to_json(models, found, spent(models)), allow_nan=False))
    assert set(plain["models"]) == {"a", "b"}
    assert plain["figures"][0]["values"]["a"]["value"] == 0.5
    assert plain["cost"][1]["model"] == "b"


def test_results_on_disk_are_read_again_and_added_to(tmp_path: Path) -> None:
    results(tmp_path, "a", [0, 1, 4, 4])
    write_facts(tmp_path / "a", {"model": "a", "shape": None, "suites": {"ifeval": {"samples": 1}}})
    assert list(read_results("a", tmp_path / "a", only=["gsm8k"]).suites) == ["gsm8k"]
    with pytest.raises(ValueError, match="has no results of math500; it has gsm8k, ifeval"):
        read_results("a", tmp_path / "a", only=["math500"])
    (target,) = targets_of([str(tmp_path / "a")], to=None)
    assert target.model is None and target.out == tmp_path / "a"


def test_words_of_the_command_line(tmp_path: Path) -> None:
    assert unique_labels(["runs/a/model", "runs/b/model", "x"]) == ["a-model", "b-model", "x"]
    with pytest.raises(ValueError, match="named twice"):
        unique_labels(["a", "a"])
    assert names_of("gsm8k=x.jsonl, ifeval") == ["gsm8k", "ifeval"]
    with pytest.raises(ValueError, match="--suite ifeval: give --data DIR"):
        suite_files("gsm8k=x.jsonl,ifeval", None)
    with pytest.raises(ValueError, match="name at least one model"):
        targets_of(["rollout.dtype=bfloat16"], to=tmp_path)
    with pytest.raises(ValueError, match="nowhere/model: no such directory"):
        targets_of([f"{tmp_path}/nowhere/model"], to=None)
