"""Run directories: fresh names, attempts, and one live owner."""

import subprocess
import sys

import pytest

from rl.records.metrics import MetricsWriter
from rl.records.rundir import RunDir, RunDirBusy


def test_a_taken_name_gets_the_next_number_and_latest_finds_it(tmp_path) -> None:
    paths = []
    for _ in range(3):
        run = RunDir.create(tmp_path, "demo")
        run.close()
        paths.append(run.path.name)
    assert paths == ["demo", "demo-2", "demo-3"]
    (tmp_path / "demo-other").mkdir()
    (tmp_path / "demo-9.txt").touch()
    latest = RunDir.latest(tmp_path, "demo")
    assert latest is not None and latest.path.name == "demo-3"
    assert RunDir.latest(tmp_path, "absent") is None


def test_ten_comes_after_nine(tmp_path) -> None:
    for name in ("demo", "demo-9", "demo-10"):
        (tmp_path / name).mkdir()
    latest = RunDir.latest(tmp_path, "demo")
    assert latest is not None and latest.path.name == "demo-10"


def test_attempts_count_from_one_and_remember_where_they_began(tmp_path) -> None:
    run = RunDir.create(tmp_path, "demo")
    assert run.attempt == 0
    assert run.begin_attempt() == 1
    assert run.begin_attempt(restored_step=20) == 2
    assert RunDir(run.path).attempt == 2
    assert '"restored_step":20' in run.attempts.read_text()
    run.close()


def test_a_checkpoint_leads_back_to_its_run(tmp_path) -> None:
    run = RunDir.create(tmp_path, "demo")
    run.begin_attempt()
    checkpoint = run.checkpoints / "step-00000020"
    checkpoint.mkdir()
    assert RunDir.containing(checkpoint).path == run.path
    with pytest.raises(ValueError, match="no checkpoint of a run"):
        RunDir.containing(tmp_path / "elsewhere")
    run.close()


def test_a_run_that_goes_on_has_no_model_of_its_end_any_more(tmp_path) -> None:
    run = RunDir.create(tmp_path, "demo")
    run.set_model_aside()
    assert not (run.path / "export").exists()
    for attempt, restored, end in ((1, 0, 57), (2, 40, 45), (3, 44, 45)):
        metrics = MetricsWriter(run.metrics, attempt=attempt, restored_step=restored)
        for step in range(restored, end):
            metrics.write(step, {})
        metrics.close()
    for text in ("as it ended", "as it ended once more"):
        run.model.mkdir()
        (run.model / "config.json").write_text(text)
        run.set_model_aside()
        assert not run.model.exists()
        assert (run.path / "export" / "step-00000045" / "config.json").read_text() == text
    run.close()


def test_a_live_process_keeps_others_out_and_a_dead_one_does_not(tmp_path) -> None:
    code = (
        "import sys, pathlib, time\n"
        "from rl.records.rundir import RunDir\n"
        "run = RunDir.create(pathlib.Path(sys.argv[1]), 'demo')\n"
        "print('open', flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    with pytest.raises(RunDirBusy, match=f"process {holder.pid}"):
        RunDir(tmp_path / "demo").open()
    holder.kill()
    holder.wait(timeout=10)
    holder.stdout.close()
    run = RunDir(tmp_path / "demo").open()
    run.close()
    run.close()


def test_a_stranger_with_the_old_number_is_no_owner(tmp_path) -> None:
    run = RunDir.create(tmp_path, "demo")
    (run.path / ".owner").write_text('{"pid": 1, "created": 12.5}')
    RunDir(run.path).open().close()
