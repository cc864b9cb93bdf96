"""The kinds of faults: each a real signal to a real process, or a real condition of its disk, network or
clock."""

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.reliability.ground import Clock, Disk, TrackerServer
from benchmarks.reliability.job import Job
from rl.run.checkpoint import Checkpoint, CheckpointStore

STOP_S = 25.0
"""How long a controller stands still: longer than the limits of engines and verifiers."""
ANY_S = 60.0
"""How long to look for the process that a fault is for."""


class NotNow(RuntimeError):
    """The fault has nothing to strike at this moment."""


@dataclass(slots=True)
class Scene:
    """What faults strike, and what has to be put right again afterwards."""

    job: Job
    disk: Disk
    clock: Clock
    tracker: TrackerServer
    chance: random.Random
    kill_after_start_s: float | None = None
    """The next process is killed so long after its start."""
    stopped: list[int] = field(default_factory=list)
    """Processes that were stopped for good; it is for the run to kill them."""
    mend_disk: bool = False
    damaged: str = ""
    held: list[str] = field(default_factory=list)
    """Processes that held the disk of a run that had ended."""

    def put_right(self) -> None:
        """The conditions, not the processes: room on the disk, a disk that takes writes, a tracker that
        answers. A disk that refuses writes is mended when the run has ended."""
        self.tracker.open()
        if self.mend_disk:
            if self.job.alive:
                return
            self.held += self.disk.mend()
            self.mend_disk = False
        self.disk.empty()


Strike = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    name: str
    strike: Strike
    backend: str | None = None
    """Of the engines that it needs; None = any."""
    needs: str = ""
    """``ext4``, ``clock`` or ``sandbox``, where the machine must give it."""
    holds: bool = False
    """The condition lasts until the run has ended, or a moment longer than its limits."""


def send(role: str, number: signal.Signals) -> Strike:
    """A signal to one process of a role."""

    def strike(scene: Scene) -> None:
        scene.job.until(lambda: bool(scene.job.pids(role)), ANY_S)
        pids = scene.job.pids(role)
        if not pids:
            raise NotNow(f"no process is the {role}")
        pid = scene.chance.choice(pids)
        try:
            os.kill(pid, number)
        except ProcessLookupError as error:
            raise NotNow(f"the {role} has just left") from error
        if number is signal.SIGSTOP:
            scene.stopped.append(pid)

    return strike


def both(*strikes: Strike) -> Strike:
    """Several at once."""

    def strike(scene: Scene) -> None:
        for one in strikes:
            one(scene)

    return strike


def stop_controller(scene: Scene) -> None:
    """As a laptop that sleeps: everything but the wall clock of the others stands still for it."""
    scene.job.signal(signal.SIGSTOP)
    time.sleep(STOP_S)
    scene.job.signal(signal.SIGCONT)


def kill_while_starting(scene: Scene) -> None:
    """Kill the controller, and the next one before it trains."""
    scene.kill_after_start_s = scene.chance.uniform(0.5, 15)
    scene.job.signal(signal.SIGKILL)


def kill_while_saving(scene: Scene) -> None:
    """Kill the controller between the beginning of a checkpoint and its name."""
    if not scene.job.until(lambda: any(scene.job.run.checkpoints.glob("tmp-step-*")), ANY_S):
        raise NotNow("no checkpoint was begun")
    scene.job.signal(signal.SIGKILL)


def fill_disk(scene: Scene) -> None:
    """No byte is left on the run directory's disk."""
    scene.disk.fill()


def refuse_writes(scene: Scene) -> None:
    """The run directory's disk fails, as after an I/O error."""
    scene.disk.refuse_writes()
    scene.mend_disk = True


def close_tracker(scene: Scene) -> None:
    """The tracker's server is gone."""
    scene.tracker.close()


def silence_tracker(scene: Scene) -> None:
    """The tracker's server takes connections and says nothing."""
    scene.tracker.open(silent=True)


def set_clock(*seconds: int) -> Strike:
    """The wall clock jumps by one of these."""

    def strike(scene: Scene) -> None:
        scene.clock.set(scene.clock.ahead + scene.chance.choice(seconds))

    return strike


def damage(how: str) -> Strike:
    """Kill the controller and damage its newest checkpoint: one file of it, any file."""

    def strike(scene: Scene) -> None:
        kept = CheckpointStore(scene.job.run, keep=1).all()
        if len(kept) < 2:
            raise NotNow("there is no second checkpoint to go back to")
        scene.job.signal(signal.SIGKILL)
        scene.job.wait(ANY_S)
        newest = CheckpointStore(scene.job.run, keep=1).all()[-1]
        scene.damaged = hurt(newest, how, scene.chance)

    return strike


def hurt(checkpoint: Checkpoint, how: str, chance: random.Random) -> str:
    """Damage one file; returns which."""
    files = [path for path in sorted(checkpoint.path.rglob("*")) if path.is_file() and path.stat().st_size]
    path: Path = chance.choice(files)
    size = path.stat().st_size
    match how:
        case "corrupt":
            place = chance.randrange(size)
            content = bytearray(path.read_bytes())
            content[place] ^= 1 << chance.randrange(8)
            path.write_bytes(content)
        case "truncated":
            os.truncate(path, chance.randrange(size))
        case "missing":
            path.unlink()
        case _:
            raise AssertionError(how)
    return str(path.relative_to(checkpoint.path))


def nothing(scene: Scene) -> None:
    """No fault: what the same measurement says without one."""


KILL, STOP = signal.SIGKILL, signal.SIGSTOP
HOUR, DAY = 3600, 86400
KINDS: tuple[Kind, ...] = (
    Kind("nothing", nothing),
    Kind("engine killed", send("engine", KILL)),
    Kind("engine stopped", send("engine", STOP)),
    Kind("EngineCore killed", send("engine_core", KILL), backend="async"),
    Kind("EngineCore stopped", send("engine_core", STOP), backend="async"),
    Kind("learner rank killed", send("learner", KILL)),
    Kind("learner rank stopped", send("learner", STOP)),
    Kind("engine and rank killed at once", both(send("engine", KILL), send("learner", KILL))),
    Kind("verifier killed", send("verifier", KILL)),
    Kind("verifier stopped", send("verifier", STOP)),
    Kind("verifiers' template killed", send("template", KILL)),
    Kind("verifiers' template stopped", send("template", STOP)),
    Kind("sandbox supervisor killed", send("sandbox", KILL), needs="sandbox"),
    Kind("sandbox supervisor stopped", send("sandbox", STOP), needs="sandbox"),
    Kind("raylet killed", send("raylet", KILL)),
    Kind("raylet stopped", send("raylet", STOP)),
    Kind("GCS killed", send("gcs", KILL), holds=True),
    Kind("controller killed", send("controller", KILL)),
    Kind("controller killed, then again while it starts", kill_while_starting),
    Kind("controller killed while it saves", kill_while_saving),
    Kind("controller stopped for 25 s", stop_controller),
    Kind("controller asked to stop (SIGTERM)", send("controller", signal.SIGTERM)),
    Kind("disk full", fill_disk, holds=True),
    Kind("disk read-only", refuse_writes, needs="ext4", holds=True),
    Kind("tracker closed", close_tracker),
    Kind("tracker silent", silence_tracker),
    Kind("clock jumps forward", set_clock(HOUR, DAY), needs="clock"),
    Kind("clock jumps back", set_clock(-60, -HOUR, -DAY), needs="clock"),
    Kind("checkpoint file corrupt", damage("corrupt")),
    Kind("checkpoint file truncated", damage("truncated")),
    Kind("checkpoint file missing", damage("missing")),
)


def schedule(seed: int, kinds: Sequence[Kind], *, backend: str, skip: int) -> list[Kind]:
    """The order of faults for runs of one backend, rounds of all kinds, each in an order of its own; the
    first ``skip`` are done."""
    order: list[Kind] = []
    own = [kind for kind in kinds if kind.backend in (None, backend)]
    number = 0
    while len(order) < skip + len(own):
        shuffled = list(own)
        random.Random(f"{seed} {backend} {number}").shuffle(shuffled)
        order += shuffled
        number += 1
    return order[skip:]
