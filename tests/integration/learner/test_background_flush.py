"""The flush of a checkpoint in the background: killed, it leaves the one before; what it copied is what was
saved."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rl.records.rundir import RunDir
from rl.run.checkpoint import CheckpointStore


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "tests.integration.learner.flush_child", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"DS_ACCELERATOR": "cpu"}
    ) as process:
        yield process
        process.kill()


def test_a_process_killed_while_it_flushes_leaves_the_checkpoint_before(
    tmp_path: Path, child: subprocess.Popen
) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "training goes on\n"
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL and child.stdout.read() == "", "it was not done"
    store = CheckpointStore(RunDir(tmp_path), keep=1)
    (unfinished,) = store.directory.glob("tmp-step-*")
    assert unfinished.name == "tmp-step-00000002" and not (unfinished / "manifest.json").exists()
    assert [c.step for c in store.all()] == [1]
    whole = store.require_latest()
    assert whole is not None and whole.damage() is None and whole.load_state().version == 1
    assert store.begin(2).name == unfinished.name and not list(unfinished.iterdir()), "taken up again, empty"


def test_the_older_checkpoint_goes_when_the_flush_is_done(tmp_path: Path, child: subprocess.Popen) -> None:
    assert child.stdout is not None
    assert child.stdout.read() == "training goes on\nwritten\n"
    (newest,) = CheckpointStore(RunDir(tmp_path), keep=1).all()
    assert newest.step == 2 and newest.damage() is None
    numbers = torch.load(newest.learner_dir / "shard.pt", weights_only=True)["numbers"]
    assert not numbers.any(), "the training that went on is not in it"


@pytest.mark.parametrize("background", [True, False])
def test_snapshots_are_of_the_moment_and_the_memory_of_one_serves_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, background: bool
) -> None:
    monkeypatch.setitem(os.environ, "DS_ACCELERATOR", "cpu")
    from rl.learner.checkpoint_engine import BackgroundCheckpointEngine, Snapshot

    engine = BackgroundCheckpointEngine()
    engine.background = background
    flat = torch.arange(10.0)
    for step in range(3):
        state = {"view": flat[2:4], "all": [flat, (step, flat.reshape(2, 5))]}
        engine.save(state, str(tmp_path / str(step) / "shards" / "file.pt"))
        flat.add_(1)
        if not background:
            assert engine.load(str(tmp_path / str(step) / "shards" / "file.pt")), "written when it returns"
        engine.wait()
    engine.cleanup()
    for step in range(3):
        read = engine.load(str(tmp_path / str(step) / "shards" / "file.pt"))
        assert read["view"].tolist() == [2.0 + step, 3.0 + step] and read["all"][1][0] == step
        assert read["view"].untyped_storage().nbytes() == 8, "not the whole buffer behind a view"
        assert torch.equal(read["all"][1][1], torch.arange(10.0).reshape(2, 5) + step)

    copy = Snapshot()
    first = copy([flat, flat[:3]])
    where = [tensor.data_ptr() for tensor in first]
    assert [tensor.data_ptr() for tensor in copy([flat, flat[:3]])] == where
    other = copy([flat, flat[:4].double(), flat])
    assert other[0].data_ptr() == where[0] and other[1].tolist() == flat[:4].tolist()
