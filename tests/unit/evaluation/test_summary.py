"""The report's numbers from per-problem counts, by hand."""

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from planner.estimators.counts_file import read_counts_file
from planner.estimators.intervals import benchmark_pass_at_k
from rl.evaluation.summary import render, summarise, to_json
from rollout.types import SamplingConfig


@dataclass
class Measured:
    sampling: SamplingConfig
    rows: list[dict[str, Any]]


def measured(counts: dict[str, int], *, n: int = 4, temperature: float = 1.0) -> Measured:
    rows = [
        {"id": key, "category": key[0], "difficulty": 1, "n": n, "c": c, "tokens": 9}
        for key, c in counts.items()
    ]
    return Measured(SamplingConfig(temperature=temperature), rows)


BEFORE = measured({"a1": 0, "a2": 1, "b1": 2, "b2": 4})
AFTER = measured({"a1": 1, "a2": 1, "b1": 4, "b2": 4})


def test_values_overall_and_by_category() -> None:
    summary = summarise([AFTER], before=[BEFORE], ks=(1, 2))
    one = summary.line("pass@1")
    assert one.alias == "avg@4"
    assert one.before is not None
    assert one.before.value == pytest.approx((0 + 1 + 2 + 4) / 16)
    assert one.after.value == pytest.approx(10 / 16)
    assert one.difference is not None
    assert one.difference.value == pytest.approx(3 / 16)
    # pass@2 of 4 samples: c=1 -> 1 - C(3,2)/C(4,2) = 1/2; c=4 -> 1
    assert summary.line("pass@2", category="a").after.value == pytest.approx(0.5)
    assert summary.line("pass@2", category="b").after.value == 1.0
    assert [(line.category, line.metric) for line in summary.lines] == [
        ("overall", "pass@1"),
        ("overall", "pass@2"),
        ("a", "pass@1"),
        ("a", "pass@2"),
        ("b", "pass@1"),
        ("b", "pass@2"),
    ]


def test_rows_are_paired_by_id_not_by_position() -> None:
    shuffled = Measured(BEFORE.sampling, BEFORE.rows[::-1])
    straight = summarise([AFTER], before=[BEFORE], ks=(1,))
    assert summarise([AFTER], before=[shuffled], ks=(1,)) == straight


def test_greedy_is_accuracy_whatever_the_ks() -> None:
    greedy = measured({"a1": 1, "b1": 0}, n=1, temperature=0.0)
    summary = summarise([measured({"a1": 2, "b1": 0}), greedy], ks=(1, 4))
    assert summary.line("greedy").after.value == 0.5
    assert summary.line("greedy").difference is None
    assert summary.line("pass@4", temperature=1.0).after.value == 0.5
    with pytest.raises(KeyError, match="no pass@2"):
        summary.line("pass@2")


def test_other_problems_or_other_sampling_are_refused() -> None:
    with pytest.raises(ValueError, match="not of the same problems"):
        summarise([AFTER], before=[measured({"a1": 0, "a2": 1, "b1": 2, "c1": 4})], ks=(1,))
    with pytest.raises(ValueError, match="no evaluation before training"):
        summarise([AFTER], before=[measured({"a1": 0}, temperature=0.6)], ks=(1,))
    with pytest.raises(ValueError, match="k is 8"):
        summarise([AFTER], ks=(8,))


def test_json_and_the_printed_table_carry_the_numbers() -> None:
    summary = summarise([AFTER], before=[BEFORE], ks=(1,))
    lines = json.loads(json.dumps(to_json(summary), allow_nan=False))
    assert lines[0]["after"]["value"] == pytest.approx(0.625)
    assert lines[0]["difference"]["probability_positive"] > 0.9
    alone, _ = to_json(summarise([measured({"a1": 1})], before=[measured({"a1": 2})], ks=(1,)))
    assert alone["difference"]["low"] is None, "one pair says nothing of others"
    assert alone["after"]["low"] < alone["after"]["value"] < alone["after"]["high"], (
        "its samples do say something of itself"
    )

    out = io.StringIO()
    console = Console(width=80, file=out)
    console.print(render(summary))
    text = out.getvalue()
    assert "pass@1" in text
    assert ".43" in text
    assert "+.18" in text
    assert "…" not in text, "it fits a terminal of 80 columns"


def test_unjudged_completions_shrink_n_and_a_problem_with_too_few_leaves_pass_at_k_on_both_sides() -> None:
    after = measured({"a1": 1, "a2": 1, "b1": 4, "b2": 4})
    after.rows[0] |= {"n": 1, "c": 1, "unjudged": 3}
    after.rows[2] |= {"n": 0, "c": 0, "unjudged": 4}
    summary = summarise([after], before=[BEFORE], ks=(1, 2))
    one, two = summary.line("pass@1"), summary.line("pass@2")
    assert (one.num_problems, two.num_problems, one.unjudged) == (3, 2, 7)
    assert one.before is not None and one.difference is not None
    assert (one.before.value, one.after.value) == pytest.approx(((0 + 1 + 4) / 12, (4 + 1 + 4) / 12))
    assert one.difference.value == pytest.approx(4 / 12)
    assert summary.line("pass@2", category="b").num_problems == 1
    console = Console(file=io.StringIO(), width=80)
    console.print(render(summary))
    assert "7 completions could not be judged" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_table_of_nothing_but_unjudged_says_so() -> None:
    after = measured({"a1": 0})
    after.rows[0] |= {"n": 0, "unjudged": 4}
    line = summarise([after], before=[measured({"a1": 2})], ks=(1,)).line("pass@1")
    assert line.num_problems == 0 and math.isnan(line.after.value) and line.difference is None


def test_graded_rewards_get_a_line_of_their_own_and_right_or_wrong_ones_do_not() -> None:
    before, after = measured({"a1": 0, "a2": 0}), measured({"a1": 0, "a2": 0})
    for row, value in zip(after.rows, (1.0, 2.0), strict=True):
        row["reward"] = value
    for row in before.rows:
        row["reward"] = 0.5
    line = summarise([after], before=[before], ks=(1,)).line("reward")
    assert line.before is not None and line.difference is not None
    assert (line.before.value, line.after.value, line.difference.value) == pytest.approx((0.125, 0.375, 0.25))
    plain = measured({"a1": 1, "a2": 3})
    for row in plain.rows:
        row["reward"] = float(row["c"])
    assert [line.metric for line in summarise([plain], ks=(1,)).lines] == ["pass@1"] * 2


@pytest.mark.parametrize("right", [0, 4])
def test_no_interval_has_zero_width_and_all_tables_agree(right: int) -> None:
    counts = {f"a{i}": right for i in range(40)}
    summary = summarise([measured(counts)], before=[measured(counts)], ks=(1, 4))
    for line in summary.lines:
        assert (
            line.after.low < line.after.high
            and line.difference is not None
            and line.difference.low < 0 < line.difference.high
        )
        theirs = benchmark_pass_at_k([4] * 40, [right] * 40, 4)
        assert (line.after.low, line.after.high) == (theirs.low, theirs.high)
    if right == 4:
        assert summary.lines[0].after.low == pytest.approx(0.9124, abs=1e-4)


def test_a_problem_of_which_nothing_was_judged_is_no_row_of_counts(tmp_path: Path) -> None:
    rows = [{"id": "a", "n": 0, "c": 0, "unjudged": 4}, {"id": "b", "n": 3, "c": 1, "unjudged": 1}]
    file = tmp_path / "version-00000000.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [(row.id, row.n, row.c) for row in read_counts_file(file)] == [("b", 3, 1)]
    file.write_text(json.dumps({"id": "a", "n": 0, "c": 0}) + "\n")
    with pytest.raises(ValueError, match="at least one sample"):
        read_counts_file(file)
