"""Two versions compared: a number, key, row or tensor that is not the same is found, and nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import benchmarks.same_numbers.__main__ as same_numbers
from benchmarks.same_numbers.compare import compare
from rl.config.load import load_as, load_config
from rl.config.stages import DpoConfig, SftConfig

ROWS: list[dict[str, Any]] = [
    {"step": 0, "loss/total": 0.5, "time/step_s": 1.0},
    {"step": 1, "loss/total": None, "time/step_s": 2.0},
]


def changed(row: int, **values: Any) -> dict[str, list[dict[str, Any]]]:
    rows = [dict(r) for r in ROWS]
    rows[row] |= values
    return {"metrics.jsonl": rows}


def test_equal_records_are_equal_and_say_what_they_left_out() -> None:
    found = compare({"metrics.jsonl": ROWS}, changed(0, **{"time/step_s": 9.0}))
    assert found.equal and found.first == ""
    assert (found.rows, found.keys) == (2, 4)
    assert set(found.left_out) == {"time/step_s"}


@pytest.mark.parametrize(
    ("after", "first"),
    [
        (
            changed(0, **{"loss/total": 0.5 + 2**-53}),
            "metrics.jsonl: row 0, loss/total: 0.5 before, 0.5000000000000001 after",
        ),
        (changed(1, **{"loss/total": 0.25}), "metrics.jsonl: row 1, loss/total: None before, 0.25 after"),
        (changed(1, more=None), "metrics.jsonl: row 1, more: 'no such key' before, None after"),
        ({"metrics.jsonl": ROWS[:1]}, "metrics.jsonl: row 1 is only before"),
        ({"metrics.jsonl": [*ROWS, {}]}, "metrics.jsonl: row 2 is only after"),
        ({}, "metrics.jsonl: row 0 is only before"),
        ({"metrics.jsonl": ROWS, "weights": [{"tensor": "x"}]}, "weights: row 0 is only after"),
    ],
)
def test_the_first_difference_is_named(after: Any, first: str) -> None:
    found = compare({"metrics.jsonl": ROWS}, after)
    assert not found.equal
    assert found.first == first


def test_a_missing_key_is_a_difference_from_either_side() -> None:
    before = changed(0, extra=1)
    found = compare(before, {"metrics.jsonl": ROWS})
    assert [d.key for d in found.differences] == ["extra"]
    assert found.keys_that_differ == ["metrics.jsonl extra"]


def test_nothing_compared_is_not_equal() -> None:
    assert not compare({}, {}).equal
    only_times = {"metrics.jsonl": [{"time/step_s": 1.0}]}
    assert "nothing was compared" in compare(only_times, only_times).first


def run_directory(path: Path, *, weight: float, tail: str = "") -> Path:
    (path / "model").mkdir(parents=True)
    save_file({"w": np.array([1.0, weight], np.float32)}, path / "model" / "model.safetensors")
    rows = [
        {"attempt": 1, "restored_step": 0},
        *({"attempt": 1, "step": step, "loss/total": 0.5} for step in range(2)),
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)
    (path / "eval").mkdir()
    (path / "eval" / "version-00000000.jsonl").write_text('{"id": "p", "c": 1}\n')
    return path


def test_a_run_directory_is_read_whole_and_its_lost_steps_are_not(tmp_path: Path) -> None:
    plain = same_numbers.read_tables(run_directory(tmp_path / "a", weight=2.0))
    assert {name: len(rows) for name, rows in plain.items()} == {
        "metrics.jsonl": 2,
        "eval/version-00000000.jsonl": 1,
        "weights": 1,
    }
    again = '{"attempt": 2, "restored_step": 1}\n{"attempt": 1, "step": 1, "loss/total": 0.5}\n'
    assert compare(
        plain, same_numbers.read_tables(run_directory(tmp_path / "b", weight=2.0, tail=again))
    ).equal
    other = same_numbers.read_tables(
        run_directory(tmp_path / "c", weight=np.nextafter(np.float32(2), np.float32(3)))
    )
    assert compare(plain, other).keys_that_differ == ["weights sha256"]


def test_a_run_without_weights_is_no_evidence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no weights were exported"):
        same_numbers.read_tables(tmp_path)


def test_each_side_is_told_its_own(tmp_path: Path) -> None:
    (tmp_path / "runs.yaml").write_text(
        "common: {train: ['model.path={base}']}\n"
        "runs: {a: {command: train, config: debug, overrides: [x=1], before: [old=2], after: [new.at=2]}}\n"
    )
    (spec,) = same_numbers.read_specs(tmp_path / "runs.yaml")
    assert spec.arguments("before", {"base": Path("b")}) == ["train", "debug", "model.path=b", "x=1", "old=2"]
    assert spec.arguments("after", {"base": Path("b")}) == [
        "train",
        "debug",
        "model.path=b",
        "x=1",
        "new.at=2",
    ]


class Recorded:
    """Records that exist already, or a run that failed."""

    def __init__(self, *losses: float) -> None:
        self._tables = {"metrics.jsonl": [{"loss/total": loss} for loss in losses]}

    def record(self, spec: same_numbers.Spec, places: Any) -> dict[str, Any]:
        if not self._tables["metrics.jsonl"]:
            raise RuntimeError("t2rl train failed (1):\nout of luck")
        return {"tables": self._tables}


@pytest.mark.parametrize(
    ("after", "again", "first"),
    [
        (Recorded(1.0), Recorded(2.0), ""),
        (Recorded(2.0), Recorded(1.0), "metrics.jsonl: row 0, loss/total: 1.0 before, 2.0 after"),
        (Recorded(2.0), Recorded(3.0), "no witness, OLD does not agree with itself: metrics.jsonl: row 0"),
        (Recorded(), Recorded(1.0), "the run failed after: out of luck"),
    ],
)
def test_a_difference_counts_only_where_the_old_version_agrees_with_itself(
    after: Recorded, again: Recorded, first: str
) -> None:
    spec = same_numbers.Spec("a", "train", "debug", ())
    result = same_numbers.compared(spec, {"before": Recorded(1.0), "after": after, "again": again}, {})
    assert result["equal"] == (not first)
    assert result["first"].startswith(first)


def test_every_run_that_ships_is_a_config_of_this_version() -> None:
    stages: dict[str, Any] = {"sft": SftConfig, "dpo": DpoConfig}
    places = {"base": Path("base"), "reward_model": Path("model"), "here": same_numbers.SPECS.parent}
    for spec in same_numbers.read_specs(same_numbers.SPECS):
        command, config, *overrides = spec.arguments("after", places)
        if command == "train":
            assert load_config(config, overrides).stream.max_staleness == 0, spec.name
        elif command in stages:
            load_as(stages[command], config, overrides)
