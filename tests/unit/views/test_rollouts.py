"""A run's rollouts through RunView, and by pandas and datasets without us."""

import json
from pathlib import Path

import pyarrow.compute as pc
import pytest

from rl.records.rollouts.files import RolloutFile, file_name, remove_superseded
from rl.records.rollouts.thinning import Folder
from rl.views.run_view import RunView
from tests.unit.records.rollouts.tables import table

field = pc.field


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Steps 0..3 of a first attempt, 2..3 of a second that began at 2; both evaluated."""
    path = tmp_path / "mine"
    path.mkdir()
    starts = [{"attempt": 1, "restored_step": 0}, {"attempt": 2, "restored_step": 2}]
    (path / "attempts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in starts))
    for kind, folder in (("step", "rollouts"), ("version", "eval/rollouts")):
        files = Folder(path / folder, max_bytes=1 << 30, notice=lambda _: None)
        for step, attempt in [(0, 1), (1, 1), (2, 1), (3, 1), (2, 2), (3, 2)]:
            if kind == "version" and step not in (0, 3):
                continue
            name = files.path / file_name(kind, step, attempt)
            file = RolloutFile(path=name, kind=kind, number=step, attempt=attempt)
            files.put(file, table(step, attempt=attempt))
    return path


def test_superseded_rows_are_left_out(run):
    rows = RunView(run).rollouts(columns=["step", "attempt"]).to_pylist()
    assert {(row["step"], row["attempt"]) for row in rows} == {(0, 1), (1, 1), (2, 2), (3, 2)}
    assert len(rows) == 4 * 8


def test_steps_columns_and_filters(run):
    view = RunView(run)
    found = view.rollouts(
        columns=["step", "reward"], steps=range(1, 3), where=field("correct") & (field("category") == "add")
    )
    assert found.column_names == ["step", "reward"]
    assert found.to_pylist() == [{"step": step, "reward": 1.0} for step in (1, 1, 2, 2)]
    whole = view.rollouts(steps=range(3, 4))
    assert "token_ids" not in whole.column_names, "nothing kept them"
    assert whole["components"][0].as_py() == [{"name": "right", "value": 0.0}]


def test_evaluations_are_beside(run):
    view = RunView(run)
    assert sorted(set(view.rollouts(evaluation=True)["step"].to_pylist())) == [0, 3]


def test_a_run_that_kept_none_has_an_empty_table(tmp_path):
    (tmp_path / "attempts.jsonl").write_text('{"attempt": 1, "restored_step": 0}\n')
    empty = RunView(tmp_path).rollouts(columns=["step", "token_ids"])
    assert empty.num_rows == 0 and empty.column_names == ["step", "token_ids"]


def test_pandas_and_datasets_read_the_folder_without_us(run, tmp_path, monkeypatch):
    import datasets
    import pandas as pd  # type: ignore[import-untyped]

    remove_superseded(run / "rollouts", run / "attempts.jsonl")  # a resume does
    (run / "rollouts" / ".step-00000004.attempt-002.parquet.tmp").write_bytes(b"half a file")
    frame = pd.read_parquet(run / "rollouts")
    assert len(frame) == 4 * 8 and sorted(set(zip(frame.step, frame.attempt, strict=True))) == [
        (0, 1),
        (1, 1),
        (2, 2),
        (3, 2),
    ]
    assert frame.groupby("step").reward.mean().tolist() == [0.5] * 4
    loaded = datasets.load_dataset(
        "parquet",
        data_files=str(run / "rollouts" / "*.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert loaded.num_rows == 4 * 8
    assert loaded[1]["completion"].startswith("0 0 1") and loaded[1]["components"] == [
        {"name": "right", "value": 1.0}
    ]
