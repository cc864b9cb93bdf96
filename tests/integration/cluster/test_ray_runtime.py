"""A private Ray per run: starts small, logs into the run directory, and leaves nothing behind even when its
owner is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rl.config.exit_codes import FAILED

SCRIPT = """
import json, os, sys, tempfile, time
from pathlib import Path
import psutil, ray
from rl.config.load import load_config
from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.cluster.ray_watch import closing, ray_lost, when_ray_is_lost

@ray.remote
class Speaker:
    def speak(self):
        print("words of an actor", flush=True)
        return tempfile.mkdtemp()  # left behind, as by a process that is killed

logs = Path(sys.argv[1])
start_ray(load_config("debug"), logs)
speaker = Speaker.remote()
left = ray.get(speaker.speak.remote(), timeout=60)
family = [psutil.Process(), *psutil.Process().children(recursive=True)]
children = [p.pid for p in family[1:]]
ports = [c for p in family for c in p.net_connections("inet") if c.status == "LISTEN"]
open_to = sorted({c.laddr.ip.removeprefix("::ffff:") for c in ports})
have = ray.cluster_resources()
words = " ".join(word for p in family[1:] for word in p.cmdline())
helpers = [name for name in ("/monitor.py", "/log_monitor.py", "/dashboard.py") if name in words]
facts = {"children": children, "cpus": have["CPU"], "gpus": have.get("GPU", 0), "open_to": open_to}
facts |= {"helpers": helpers, "left": left, "own": tempfile.mkdtemp()}
facts |= {"pids": {p.name(): p.pid for p in family}}
print(json.dumps(facts), flush=True)
if sys.argv[2] in ("hang", "stuck"):
    ray.put(bytes(1 << 20))  # hangs with the raylet, as a run does
    with when_ray_is_lost(lambda reason: print(reason, flush=True)):
        while not ray_lost():
            time.sleep(0.1)
            ray.put(bytes(1 << 20))
    for _ in range(30):  # the step is finished and saved, by calls that need no GCS
        ray.get(speaker.speak.remote(), timeout=60)
        time.sleep(0.1)
if sys.argv[2] == "stuck":
    ray.shutdown = lambda: time.sleep(600)  # as it may, when the GCS has ended
    closing()
stop_ray()
stop_ray()
"""


AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Ray's directories of this test only; short, because they hold unix sockets."""
    root = Path(f"/tmp/t2{os.getpid() % 10000}")
    root.mkdir()
    monkeypatch.setenv("TMPDIR", str(root))
    yield root
    subprocess.run(["rm", "-rf", str(root)], check=True)


def name_of(pid: int) -> str:
    """Of a process that may be gone at any moment; '' then."""
    try:
        return psutil.Process(pid).name()
    except psutil.NoSuchProcess:
        return ""


def start(logs: Path, mode: str) -> tuple["subprocess.Popen[str]", dict]:
    logs.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(logs), mode], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def gone(pids: list[int], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(p) and psutil.Process(p).status() != psutil.STATUS_ZOMBIE for p in pids):
            return True
        time.sleep(0.1)
    return False


def words(logs: Path) -> str:
    return "".join(f.read_text() for f in (logs / "ray").glob("worker-*.out"))


@pytest.fixture
def soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray gives a node up within seconds, not after a minute."""
    for name, value in {"period_ms": 200, "timeout_ms": 500, "failure_threshold": 3}.items():
        monkeypatch.setenv(f"RAY_health_check_{name}", str(value))


def test_a_raylet_that_stands_still_ends_its_driver_and_all_of_ray(
    scratch: Path, tmp_path: Path, soon_given_up: None
) -> None:
    process, facts = start(tmp_path / "logs", "hang")
    os.kill(facts["pids"]["raylet"], signal.SIGSTOP)
    assert process.wait(timeout=60) == FAILED
    process.stdout.close()
    agents = [p for p in facts["children"] if name_of(p) in AGENTS]
    assert gone([p for p in facts["children"] if p not in agents], within_s=30)


def test_a_driver_hears_of_its_gcs_and_stops_ray_as_ever(scratch: Path, tmp_path: Path) -> None:
    process, facts = start(tmp_path / "logs", "hang")
    pid = facts["pids"]["gcs_server"]
    os.kill(pid, signal.SIGKILL)
    assert process.stdout.readline() == f"Ray's GCS (pid {pid}) has ended\n"
    assert process.wait(timeout=30) == 0, "before Ray ends the program, a minute after its GCS"
    process.stdout.close()
    assert gone(facts["children"], within_s=20)
    assert not list(scratch.glob("t2rl-ray-*"))


def test_a_driver_that_cannot_close_a_ray_without_a_gcs_ends_before_ray_ends_it(
    scratch: Path, tmp_path: Path
) -> None:
    process, facts = start(tmp_path / "logs", "stuck")
    os.kill(facts["pids"]["gcs_server"], signal.SIGKILL)
    assert process.wait(timeout=40) == FAILED, "Ray itself ends it after a minute"
    process.stdout.close()


def test_stop_keeps_the_logs_and_removes_the_rest(scratch: Path, tmp_path: Path) -> None:
    process, facts = start(tmp_path / "logs", "stop")
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    assert facts["cpus"] == 3 and facts["gpus"] == 0
    assert facts["open_to"] == ["127.0.0.1"], "Ray takes code from whoever reaches its ports"
    assert facts["helpers"] == [], "a Ray of one run has no use for them"
    assert "words of an actor" in words(tmp_path / "logs")
    assert not list(scratch.glob("t2rl-ray-*"))
    assert Path(facts["left"]).parent.parent.name.startswith("t2rl-ray-"), "temporary files go with Ray"
    assert Path(facts["own"]).parent == scratch, "the driver's stay where they were"
    assert gone(facts["children"], within_s=20)


def test_a_killed_owner_takes_ray_along_and_the_next_start_cleans_up(scratch: Path, tmp_path: Path) -> None:
    process, facts = start(tmp_path / "logs", "hang")
    assert (tmp_path / "logs" / "ray").is_symlink() and "words of an actor" in words(tmp_path / "logs")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    # Ray's two agents spend a minute trying to report the death; everything else is gone at once.
    agents = [p for p in facts["children"] if name_of(p) in AGENTS]
    assert gone([p for p in facts["children"] if p not in agents], within_s=30)
    assert list(scratch.glob("t2rl-ray-*"))
    again, _ = start(tmp_path / "next", "stop")
    assert again.wait(timeout=60) == 0
    again.stdout.close()
    assert gone(agents, within_s=5)
    assert not list(scratch.glob("t2rl-ray-*"))
    assert not (tmp_path / "logs" / "ray").is_symlink() and "words of an actor" in words(tmp_path / "logs")
