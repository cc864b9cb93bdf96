"""RUN/status.json: written while a run lives, whatever its end, and what a reader concludes from it."""

import asyncio
import io
import json
import logging
import subprocess
import sys
import time

import pytest

import rl.run.status
from rl.records.owner import Owner
from rl.records.phases import Phases
from rl.records.run_log import RunLog
from rl.records.rundir import RunDir
from rl.records.status import SILENT_S, ActorState, StatusFile, read_status
from rl.run.status import RunStatus
from rl.stream.waiting import wait_for
from rl.stream.waits import run_as_loop

ENGINE = ActorState(name="engine-0", kind="engine", state="live", detail="version 3")
LOST = ActorState(name="engine-1", kind="engine", state="lost", detail="for good")


@pytest.fixture
def run(tmp_path):
    opened = RunDir(tmp_path / "a").open()
    yield opened
    opened.close()


def started(run, phases=None):
    return RunStatus(run, phases or Phases(io.StringIO()), RunLog(run.logs), steps=10)


def end_with(run, error):
    log = RunLog(run.logs)
    with pytest.raises(type(error)), log, RunStatus(run, Phases(io.StringIO()), log, steps=10) as status:
        status.watch(step=lambda: 4, actors=lambda: [ENGINE, LOST])
        status.state = "running"
        raise error
    return read_status(run.path)


def test_a_run_that_begins_says_so(run):
    phases = Phases(io.StringIO())
    with RunLog(run.logs) as log, RunStatus(run, phases, log, steps=10):
        phases("starting Ray")
        status = read_status(run.path)
    assert (status["state"], status["phase"], status["step"], status["steps"]) == (
        "starting",
        "starting Ray",
        0,
        10,
    )
    assert status["alive"] and not status["silent"]
    assert Owner.read(status) == Owner.me()


def test_a_run_that_ends_well_is_finished(run):
    with RunLog(run.logs) as log, RunStatus(run, Phases(io.StringIO()), log, steps=10) as status:
        status.watch(step=lambda: 10, actors=lambda: [ENGINE])
    read = read_status(run.path)
    assert (read["state"], read["step"], read["last_error"]) == ("finished", 10, None)


def test_a_failed_run_keeps_its_error_and_the_lost_actor(run):
    status = end_with(run, RuntimeError("no restart is left"))
    assert (status["state"], status["last_error"]) == ("failed", "RuntimeError: no restart is left")
    assert [(actor["name"], actor["state"]) for actor in status["actors"]] == [
        ("engine-0", "stopped"),
        ("engine-1", "lost"),
    ]


def test_an_interrupted_run_is_stopped(run):
    status = end_with(run, KeyboardInterrupt("stopped with a checkpoint"))
    assert (status["state"], status["step"], status["last_error"]) == ("stopped", 4, None)


def test_the_loops_and_their_waits_are_in_it(run, monkeypatch):
    monkeypatch.setattr(rl.run.status, "EVERY_S", 0.01)

    async def scenario(status):
        async with status.ticking():
            task = asyncio.create_task(run_as_loop("batches", wait_for(asyncio.sleep(0.2), 60, "plan 3")))
            await asyncio.sleep(0.1)
            seen = read_status(run.path)
            await task
            return seen

    with RunLog(run.logs) as log, RunStatus(run, Phases(io.StringIO()), log, steps=10) as status:
        seen = asyncio.run(scenario(status))
    assert seen["loops"]["batches"]["waits_for"] == "plan 3"
    assert seen["loops"]["batches"]["limit_s"] == 60
    assert time.time() - 5 < seen["loops"]["batches"]["since"] <= seen["updated_at"]
    assert read_status(run.path)["loops"] == {}


def test_older_facts_never_replace_newer_ones(run):
    with RunLog(run.logs) as log, RunStatus(run, Phases(io.StringIO()), log, steps=10) as status:
        late = status._facts()
        status.state = "stopping"
        status._write(*late)
        assert read_status(run.path)["state"] == "stopping"


def test_a_hung_event_loop_is_seen(run):
    status = started(run)
    status.state = "running"
    old = json.loads((run.path / "status.json").read_text()) | {"updated_at": time.time() - SILENT_S - 1}
    StatusFile(run.path).write(old)
    read = read_status(run.path)
    assert read["alive"] and read["silent"] and read["age_s"] > SILENT_S


def test_a_long_phase_before_the_loops_run_is_no_silence(run):
    started(run).write()
    old = json.loads((run.path / "status.json").read_text()) | {"updated_at": time.time() - 600}
    StatusFile(run.path).write(old)
    assert not read_status(run.path)["silent"]


def test_a_run_whose_process_is_gone_has_died(run):
    """A stranger with the same number does not keep it alive."""
    status = started(run)
    status.state = "running"
    stranger = json.loads((run.path / "status.json").read_text())
    stranger["born"] += "0"
    StatusFile(run.path).write(stranger)
    read = read_status(run.path)
    assert (read["state"], read["alive"], read["silent"]) == ("died", False, False)


def test_a_zombie_is_dead():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    owner = None
    try:
        owner = Owner.of(process.pid)
        deadline = time.monotonic() + 10
        while owner.alive and time.monotonic() < deadline:
            time.sleep(0.01)
        assert owner.alive is False
    finally:
        process.wait()


def test_a_run_on_another_host_may_live():
    owner = Owner(1, 0.0, "elsewhere")
    assert owner.alive is None and not owner.here


def test_without_the_file_there_is_no_status(tmp_path):
    assert read_status(tmp_path) is None


def test_a_disk_that_refuses_does_not_end_the_run(run, caplog):
    class Full:
        def write(self, status):
            raise OSError(28, "No space left on device")

    status = started(run)
    status._file = Full()
    status.write()
    status.write()
    assert [r.message for r in caplog.records if "status.json" in r.message] == [
        f"{run.path}/status.json cannot be written: [Errno 28] No space left on device"
    ]


def test_the_log_of_the_run_keeps_phases_and_its_last_error(run):
    with RunLog(run.logs) as log:
        Phases(io.StringIO())("starting Ray")
        logging.getLogger("rl.engines.fleet").error("engine %d lost", 1)
        logging.getLogger("urllib3").error("not ours")
    text = (run.logs / "controller.log").read_text()
    assert "starting Ray" in text and "ERROR rl.engines.fleet: engine 1 lost" in text
    assert log.last_error == "engine 1 lost"
    logging.getLogger("rl.engines.fleet").error("after the run")
    assert "after the run" not in (run.logs / "controller.log").read_text()
