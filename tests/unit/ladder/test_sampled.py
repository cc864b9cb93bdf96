"""Temperature and limit of tokens as axes of a ladder's scores: cuts, files, and what the planner reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.cost.devices import device
from rl.config.errors import ConfigError
from rl.ladder.analysis.data import chosen_axis, family_of, sampled_scores
from rl.ladder.analysis.report import plan_bases
from rl.ladder.layout import LadderDir
from rl.ladder.sampled import Axis, axes_of, cut, histograms, parse_axis, scores_at
from rl.ladder.scores import headline

LENGTHS = [3, 5, 5, 9, 12, 12]
RIGHT = [True, True, False, True, False, True]


def row(lengths: Sequence[int], right: Sequence[bool], name: str = "p") -> dict[str, Any]:
    facts = {"id": name, "category": "c", "difficulty": 1, "prompt_tokens": 4, "truncated": 0}
    return {**facts, **histograms(lengths, right)}


def file(key: str = "a", *, cuts: Sequence[int] = (5, 12), easy: int = 0) -> dict[str, Any]:
    hot = [not ok for ok in RIGHT]
    return {
        "key": key,
        "name": key,
        "post": False,
        "bits": 0,
        "params": 100,
        "params_total": 150,
        "tokens": 2e3 * (1 + easy),
        "level": None,
        "post_flops": 0.0,
        "shape": {"layers": 1, "width": 8, "attention_width": 8, "kv_width": 8, "vocabulary": 10},
        "asked": {"config": "debug", "overrides": [], "temperatures": [0.5, 1.0], "cuts": list(cuts)},
        "max_tokens": max(cuts),
        "temperatures": {
            "0.5": [row(LENGTHS, RIGHT, f"p{i}") for i in range(6)],
            "1": [row(LENGTHS, hot, f"p{i}") for i in range(6)],
        },
    }


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 9, 11, 12, 50])
def test_a_cut_is_what_sampling_under_it_would_have_counted(limit: int) -> None:
    found = cut(row(LENGTHS, RIGHT), limit)
    assert found["n"] == len(LENGTHS)
    assert found["c"] == sum(ok and n <= limit for n, ok in zip(LENGTHS, RIGHT, strict=True))
    assert sum(found["right"].values()) == found["c"]
    tokens = sum(n * count for side in ("right", "wrong") for n, count in found[side].items())
    assert tokens == sum(min(n, limit) for n in LENGTHS)


def test_scores_of_an_axis_have_its_counts_and_lengths() -> None:
    whole = headline(scores_at(file(), Axis(temperature=0.5, max_tokens=12)))
    assert whole["pass"]["1"] == pytest.approx(4 / 6)
    assert whole["mean_tokens"] == pytest.approx(sum(LENGTHS) / 6)
    short = headline(scores_at(file(), Axis(temperature=0.5, max_tokens=5)))
    assert short["pass"]["1"] == pytest.approx(2 / 6)
    assert short["max_tokens"] == 5
    hot = headline(scores_at(file(), Axis(temperature=1.0, max_tokens=12)))
    assert hot["pass"]["1"] == pytest.approx(2 / 6)
    assert [axis.label for axis in axes_of(file())] == [
        "T=0.5 max_tokens=5",
        "T=0.5 max_tokens=12",
        "T=1 max_tokens=5",
        "T=1 max_tokens=12",
    ]


def test_what_was_not_sampled_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"temperatures 0\.5, 1, not at 0\.7"):
        scores_at(file(), Axis(temperature=0.7, max_tokens=5))
    with pytest.raises(ConfigError, match="up to 12 tokens, so a cut at 13"):
        scores_at(file(), Axis(temperature=1.0, max_tokens=13))
    with pytest.raises(ConfigError, match="--max-tokens 8,x: give numbers"):
        parse_axis("8,x", "--max-tokens", int)
    with pytest.raises(ConfigError, match="must be above 0"):
        parse_axis("0", "--temperatures", float)
    assert parse_axis("24, 8,8", "--max-tokens", int) == [8, 24]


@pytest.fixture
def ladder(tmp_path: Path) -> LadderDir:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "config.json").write_text("{}")
    rows = [
        {"name": name, "model": str(tmp_path / "hf"), "params": 100, "tokens": 2e3} for name in ("a", "b")
    ]
    path = tmp_path / "mine"
    path.mkdir()
    content = {"checkpoints": rows, "evaluation": {"levels": [1]}}
    (path / "external.yaml").write_text(yaml.safe_dump(content))
    return LadderDir(path)


def test_the_planner_reads_an_axis(ladder: LadderDir) -> None:
    with pytest.raises(ConfigError, match="has none: t2rl bases eval"):
        chosen_axis(ladder, 0.5, None)
    assert chosen_axis(ladder, None, None) is None
    for i, key in enumerate("ab"):
        ladder.write_json(ladder.sampled_file(key), file(key, easy=i))
    assert chosen_axis(ladder, None, None) == Axis(temperature=0.5, max_tokens=12)
    assert chosen_axis(ladder, 1.0, 5) == Axis(temperature=1.0, max_tokens=5)
    assert family_of(sampled_scores(ladder, Axis(temperature=0.5, max_tokens=5))).c.tolist() == [[2] * 6] * 2
    assert len(sampled_scores(ladder, None)) == 8, "two checkpoints, two temperatures, two limits"
    ladder.write_json(ladder.eval_file("a"), {})
    assert chosen_axis(ladder, None, None) is None, "the torch sampler's scores come first"


def test_the_report_of_an_axis_trades_all_of_them_off(ladder: LadderDir) -> None:
    for i, key in enumerate("ab"):
        ladder.write_json(ladder.sampled_file(key), file(key, easy=i))
    options = {"device": device("h100_sxm"), "queries": [1e4], "total_flops": None, "resamples": 2}
    report = plan_bases(ladder.path, **options, temperature=1.0, max_tokens=5)
    assert report["axis"] == {"temperature": 1.0, "max_tokens": 5}
    assert {c["temperature"] for c in report["checkpoints"]} == {1.0}
    table = (ladder.plan / "tradeoff.csv").read_text().splitlines()
    names = table[0].split(",")
    at = [names.index(name) for name in ("temp", "max_tokens")]
    axes = {tuple(line.split(",")[i] for i in at) for line in table[1:]}
    assert axes == {("0.5", "5"), ("0.5", "12"), ("1", "5"), ("1", "12")}
