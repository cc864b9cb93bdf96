"""Event files as TensorBoard itself reads them."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rl.records.trackers.base import TrackedRun
from rl.records.trackers.tensorboard import TensorBoardRun

ROW = {"prompt": "1 + 1 = ", "completion": "a | b\nc", "reward": 0.5}


def test_scalars_samples_and_a_resume_read_back(tmp_path: Path) -> None:
    config = {"learner": {"lr": 0.125}}
    first = TensorBoardRun(TrackedRun(directory=tmp_path, name="run", config=config))
    for step in range(4):
        first.log(step, {"reward/mean": step / 4})
    first.samples(3, [ROW])
    first.finish()
    first.finish()
    again = TensorBoardRun(
        TrackedRun(directory=tmp_path, name="run", config=config, attempt=2, restored_step=2, rows_before=4)
    )
    for step in (2, 3, 4):
        again.log(step, {"reward/mean": 1.0})
    again.samples(4, [ROW, ROW])
    again.finish()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["reward/mean"]
    assert [(one.step, one.value) for one in events.Scalars("reward/mean")] == [
        (0, 0.0),
        (1, 0.25),
        (2, 1.0),
        (3, 1.0),
        (4, 1.0),
    ], "what was trained again takes the place of what was lost"
    texts = {
        tag: [one.tensor_proto.string_val[0].decode() for one in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }
    assert '"lr": 0.125' in texts["config/text_summary"][0]
    assert "| 1 + 1 =  | a \\| b<br>c | 0.5 |" in texts["samples/text_summary"][-1]


def test_a_killed_run_has_lost_nothing(tmp_path: Path) -> None:
    killed = TensorBoardRun(TrackedRun(directory=tmp_path, name="run", config={}))
    killed.log(0, {"a": 1.0})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [one.value for one in events.Scalars("a")] == [1.0]
    killed.finish()
