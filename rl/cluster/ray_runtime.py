"""Starting and stopping Ray for one run: a small private instance that no other one on the machine can be
confused with.

A local Ray lives in a temporary directory of its own, marked with the process that owns it. If that process
is killed, the kernel ends Ray's main processes with it, actors follow in a second or two, and two helpers
linger for a minute. The next start ends those, saves the logs to the run directory and removes the rest.
"""

import json
import logging
import math
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from rl.cluster.ray_watch import end_watch, ray_lost, watch_ray
from rl.config.errors import ConfigError
from rl.records.owner import birth
from t2rl.own_code import ROOT, hides_our_code

if TYPE_CHECKING:
    from rl.config.schema import Config

logger = logging.getLogger(__name__)

PREFIX = "t2rl-ray-"
OWNER = "owner.json"
LONGEST_ROOT = 30
"""Characters: a unix socket's path has 107, and Ray's own part of it takes about 70."""
END_S = 5.0
"""Longest wait for processes that were killed."""
ANSWER_S = 10.0
"""For the head of a cluster to take a connection."""
RESOURCE_TRACKER = "multiprocessing.resource_tracker"
SPARE_CPUS = 1
"""Logical CPUs beyond the actors', for what a user or a plug-in schedules."""

RAY_ENV = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # The default 0.95 kills our actors for memory that other programs use.
    "RAY_memory_usage_threshold": "0.98",
    "RAY_DEDUP_LOGS": "0",
    # Quiets a warning: CPU actors keep CUDA_VISIBLE_DEVICES as it is.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_enable_worker_prestart": "0",
    # Nobody reads the events of tasks here, and a driver whose GCS has ended would wait for it to take them.
    "RAY_task_events_report_interval_ms": "0",
    # What an actor started (an engine core, tensor-parallel workers) is killed with it, whatever state it is
    # in.
    "RAY_process_group_cleanup_enabled": "1",
    # A worker that ends kills its children one by one, the resource tracker included, which is to clean up
    # after it; the group, the kernel and stop_ray see to the others.
    "RAY_kill_child_processes_on_worker_exit": "0",
}
"""Environment of Ray's processes; what the user has set wins."""


def needed_cpus(config: "Config") -> int:
    """Logical CPUs that every actor of the config can be placed with."""
    cluster = config.cluster
    actors = (
        config.rollout.num_engines + config.evaluation.engines
    ) * cluster.cpus_per_engine + config.learner.num_ranks * cluster.cpus_per_learner
    model = 0 if config.reward_model is None else config.reward_model.cpus
    verifiers = config.verifiers
    judges = verifiers.actors * verifiers.actor_cpus if verifiers.placement == "ray" else 0
    return math.ceil(actors + model + judges) + SPARE_CPUS


def _uses_gpus(config: "Config") -> bool:
    model = config.reward_model
    return bool(
        config.cluster.gpus_per_engine
        or config.cluster.gpus_per_learner
        or (model is not None and model.gpus)
    )


def start_ray(config: "Config", logs: Path | None = None) -> None:
    """Connect to ``cluster.address``, or start a Ray of this process's own.

    Args:
        config: Its cluster section decides.
        logs: Directory that gets the worker logs as ``ray/`` (a link while the run lasts, copies afterwards).

    Raises:
        ConfigError: No Ray that can be joined answers at ``cluster.address``.
        RuntimeError: Ray runs already in this process.
    """
    for name, value in RAY_ENV.items():
        os.environ.setdefault(name, value)
    import ray

    # Ray tells on every start that its token authentication is on, as it should be.
    logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)
    # And that it leaves SIGTERM alone where it is not started by the main thread; SIGTERM is ours.
    logging.getLogger("ray._private.worker").addFilter(_not_of_sigterm)
    if ray.is_initialized():
        raise RuntimeError("Ray runs already in this process; stop_ray() it first")
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING, "namespace": "t2rl"}
    if hides_our_code(Path.cwd()):
        common["job_config"] = _own_code_first()
    if config.cluster.address is not None:
        _join(config.cluster.address, common)
        watch_ray()
        return
    _remove_leftovers()
    temp = _make_temp()
    # address="local": the default would join whatever Ray another user of this machine has started.
    with _loopback(), _without_helpers(), _temporary_files_in(temp / "tmp"):
        ray.init(
            address="local",
            num_cpus=config.cluster.num_cpus or needed_cpus(config),
            num_gpus=None if _uses_gpus(config) else 0,
            object_store_memory=config.cluster.object_store_mib << 20,
            include_dashboard=False,
            _temp_dir=str(temp),
            **common,
        )
    _claim(temp, None, helpers=psutil.Process().children(recursive=True))
    watch_ray()
    if logs is not None:
        keep_logs_in(logs)


def _join(address: str, common: dict[str, Any]) -> None:
    try:
        _require_answer(address)
        import ray

        ray.init(address=address, **common)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ConfigError(
            f"cluster.address: no Ray to join at {address!r}: {reason}. Start one with ray start --head, or"
            " leave cluster.address out for one of this machine's own"
        ) from error


def _require_answer(address: str) -> None:
    """Ray itself goes on trying for minutes, and hears no Ctrl-C meanwhile."""
    host, _, port = address.rpartition(":")
    if port.isdigit() and "//" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()


def _not_of_sigterm(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("SIGTERM handler is not set")


def keep_logs_in(logs: Path) -> None:
    """Let the directory have this process's Ray logs as ``ray/``, as ``start_ray`` does; nothing on a Ray of
    others."""
    for temp in _temp_dirs():
        if _owner_pid(temp) == os.getpid():
            helpers = filter(None, map(_alive, _read_claim(temp)["helpers"]))
            _claim(temp, logs, helpers=list(helpers))
            _link(logs / "ray", temp / "session_latest" / "logs")


@contextmanager
def _loopback() -> Iterator[None]:
    """A Ray that starts inside the block takes 127.0.0.1 for this node's address and listens there alone, as
    it does on macOS. Else its servers listen on every interface, and whoever reaches them runs code as us."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """The temporary files of all workers of a Ray that starts inside the block lie in ``folder``, which goes
    with that Ray: an engine that is killed leaves those of vLLM behind."""
    folder.mkdir()
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before


@contextmanager
def _without_helpers() -> Iterator[None]:
    """A Ray that starts inside the block leaves out three processes that a Ray of one run has no use for:
    the autoscaler's monitor, the one that passes logs to the driver, and the dashboard's server, which runs
    without a dashboard too. Each costs a CPU second, and Ray is not there before the last one answers."""
    from ray._private.node import Node

    def nothing(node: Node, **options: Any) -> None:
        """Start no process."""

    names = ("start_monitor", "start_log_monitor", "start_api_server")
    before = {name: getattr(Node, name) for name in names}
    for name in names:
        setattr(Node, name, nothing)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(Node, name, method)


def _own_code_first() -> Any:
    """A job whose workers look for our packages where they are.

    Ray puts the driver's working directory in front of a worker's path; a ``rewards.py`` there would hide our
    package. Entries are inserted one by one, each in front of the one before, so ours has to be the last.
    """
    from ray.job_config import JobConfig

    class OwnCodeFirst(JobConfig):
        def _serialize(self) -> Any:
            folders: list[str] = self._py_driver_sys_path
            folders.append(str(ROOT))
            return super()._serialize()

    return OwnCodeFirst()


def stop_ray() -> None:
    """Disconnect; stop a local Ray, keep its worker logs and remove its directory. Idempotent."""
    import ray

    if not ray_lost():
        end_watch()
    if ray.is_initialized():
        ray.shutdown()
    end_watch()
    for temp in _temp_dirs():
        if _owner_pid(temp) == os.getpid():
            _retire(temp)


def _temp_root() -> Path:
    root = Path(tempfile.gettempdir())
    return root if len(str(root)) <= LONGEST_ROOT else Path("/tmp")


def _temp_dirs() -> list[Path]:
    return [path for path in _temp_root().glob(f"{PREFIX}*") if (path / OWNER).is_file()]


def _make_temp() -> Path:
    temp = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_temp_root()))
    _claim(temp, None, helpers=[])
    return temp


def _claim(temp: Path, logs: Path | None, *, helpers: list[psutil.Process]) -> None:
    """Write down whose directory this is, and which processes go with it."""
    claim = {
        "owner": _identity(os.getpid()),
        "helpers": [found for p in helpers if (found := _identity(p.pid)) is not None],
        "logs": str(logs.resolve()) if logs else None,
    }
    staging = temp / f"{OWNER}.tmp"
    staging.write_text(json.dumps(claim), encoding="utf-8")
    staging.replace(temp / OWNER)


def _identity(pid: int) -> tuple[int, str] | None:
    """Pid and birth: the second tells a process from a stranger with a recycled number, whatever the clock
    says. None for one that is gone."""
    born = birth(pid)
    return None if born is None else (pid, born)


def _alive(identity: tuple[int, str]) -> psutil.Process | None:
    pid, born = identity
    try:
        return psutil.Process(pid) if birth(pid) == born else None
    except psutil.NoSuchProcess:
        return None


def _read_claim(temp: Path) -> dict[str, Any]:
    """Empty if it was never written whole."""
    try:
        claim: dict[str, Any] = json.loads((temp / OWNER).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, FileNotFoundError):
        return {"owner": (0, ""), "helpers": [], "logs": None}
    return claim


def _owner_pid(temp: Path) -> int | None:
    """Pid of the live owner, None if it is gone."""
    owner = _alive(_read_claim(temp)["owner"])
    return owner.pid if owner else None


def _remove_leftovers() -> None:
    """Retire the directories of killed runs: this user's only, since others' cannot be removed anyway."""
    for temp in _temp_dirs():
        if temp.stat().st_uid == os.getuid() and _owner_pid(temp) is None:
            logger.info("removing %s, left by a run that was killed", temp)
            for helper in filter(None, map(_alive, _read_claim(temp)["helpers"])):
                helper.kill()
            _retire(temp)


def _retire(temp: Path) -> None:
    """End what still writes there, copy the workers' logs to their run directory, then remove ``temp``. Logs
    that cannot be copied are no reason to fail."""
    _end_users(temp)
    logs = _read_claim(temp)["logs"]
    if logs is not None and Path(logs).is_dir():
        try:
            _keep_logs(temp, Path(logs) / "ray")
        except OSError as error:
            logger.warning("Ray's logs could not be kept in %s: %s", logs, error)
    shutil.rmtree(temp, ignore_errors=True)


def _end_users(temp: Path) -> None:
    """Kill the processes that write to a file in ``temp``: Ray's agents, workers and what they started.

    Ray ends its workers by asking, and a worker that stands still (stopped, or in the kernel) hears nothing;
    when Ray itself was killed nobody asks. Titles, parents and environments change; an open file stays.
    Python's resource trackers end by themselves, when they have removed what the others leave.
    """
    left = [process for process in psutil.process_iter() if _writes_into(temp, process)]
    for process in left:
        with suppress(psutil.NoSuchProcess):
            logger.info("ending process %d (%s), left by a Ray that has ended", process.pid, process.name())
            process.kill()
    psutil.wait_procs(left, timeout=END_S)


def _writes_into(temp: Path, process: psutil.Process) -> bool:
    """Whether a process, not a resource tracker, has a file below ``temp`` open for writing; False where that
    cannot be seen."""
    if process.pid == os.getpid():
        return False
    try:
        opened = any(map(partial(_is_written, temp), Path(f"/proc/{process.pid}/fd").iterdir()))
        return opened and not any(RESOURCE_TRACKER in word for word in process.cmdline())
    except (OSError, psutil.Error):
        return False


def _is_written(temp: Path, descriptor: Path) -> bool:
    try:
        return bool(descriptor.lstat().st_mode & stat.S_IWUSR) and descriptor.readlink().is_relative_to(temp)
    except FileNotFoundError:  # closed since it was listed
        return False


def _keep_logs(temp: Path, target: Path) -> None:
    if target.is_symlink():
        target.unlink()
    target.mkdir(exist_ok=True)
    for file in (temp / "session_latest" / "logs").glob("worker-*"):
        if file.is_file() and file.stat().st_size:
            shutil.copy2(file, target / file.name)


def _link(link: Path, target: Path) -> None:
    """Point ``link`` at Ray's logs; logs that an earlier attempt left there stay beside it."""
    if link.is_dir() and not link.is_symlink():
        number = 1
        while (kept := link.with_name(f"{link.name}-{number}")).exists():
            number += 1
        link.rename(kept)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve())
