"""Trade-off rows from what ``t2rl eval --suite`` wrote."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from planner.cost.devices import device
from rl.commands.suites.facts import ModelResults, read_results
from rl.commands.suites.tradeoff import plan_evals_cli, rows_of, shared_suites
from tests.unit.commands.suites.test_figures import results

H100 = device("h100_sxm")


def with_samples(out: Path, label: str, right: list[int], *, tokens: int = 40) -> ModelResults:
    """The same with completions: right ones half as long as wrong ones."""
    model = results(out, label, right, tokens=tokens)
    folder = out / label / "gsm8k" / "rollouts"
    folder.mkdir()
    verdicts = [i < c for c in right for i in range(4)]
    columns = {
        "length": [tokens // 2 if ok else tokens for ok in verdicts] + [7] * len(right),
        "correct": verdicts + [c == 4 for c in right],
        "temperature": [0.6] * len(verdicts) + [0.0] * len(right),
        "judged": [True] * (len(verdicts) + len(right)),
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "version-00000000.attempt-001.parquet")
    return model


def test_every_k_has_a_row_and_its_cost(tmp_path: Path) -> None:
    model = with_samples(tmp_path, "a", [0, 1, 4, 4])
    rows = rows_of([model], "gsm8k", H100)
    sampled = {row["k"]: row for row in rows if row["temp"] == 0.6 and row["strategy"] == "parallel"}
    assert sorted(sampled) == [1, 2, 4]
    assert [sampled[k]["pass@k"] for k in (1, 2, 4)] == pytest.approx([9 / 16, 2.5 / 4, 0.75])
    assert sampled[1]["mean_gen_tok"] == pytest.approx((9 * 20 + 7 * 40) / 16)
    one, two, four = (sampled[k]["flops_per_query"] for k in (1, 2, 4))
    assert four - one == pytest.approx(3 * (two - one)) and two > one
    (greedy,) = (row for row in rows if row["temp"] == 0)
    assert (greedy["k"], greedy["mean_gen_tok"], greedy["pass@k"]) == (1, 7, 0.5)
    assert greedy["D"] is None and greedy["train_flops"] is None


def test_the_front_is_over_all_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cheap = with_samples(tmp_path, "cheap", [4, 4, 4, 4], tokens=10)
    with_samples(tmp_path, "dear", [1, 1, 1, 1])
    out = tmp_path / "plan"
    plan_evals_cli([tmp_path / "cheap", tmp_path / "dear"], suites=[], device=H100, to=out, as_json=True)
    rows = json.loads(capsys.readouterr().out)["rows"]["gsm8k"]
    assert {row["ckpt"] for row in rows if row["on_pareto"]} == {"cheap"}
    text = (out / "tradeoff-gsm8k.csv").read_text()
    assert text.startswith("ckpt,N,D") and len(text.splitlines()) == 1 + len(rows)
    assert "None" not in (out / "tradeoff-gsm8k.md").read_text()
    with pytest.raises(ValueError, match="not every model was asked math500"):
        shared_suites([cheap], ["math500"])


def test_without_samples_or_shape_it_says_what_is_missing(tmp_path: Path) -> None:
    model = results(tmp_path, "a", [0, 1, 4, 4])
    with pytest.raises(ValueError, match=r"rollouts/\*.parquet"):
        rows_of([model], "gsm8k", H100)
    facts = tmp_path / "a" / "facts.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"shape": None}))
    with pytest.raises(ValueError, match="its shape is not known"):
        rows_of([read_results("a", tmp_path / "a")], "gsm8k", H100)
