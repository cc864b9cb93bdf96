"""How a run stands: its state, how far it is and how good, whatever version of T2RL began it."""

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.views.evaluations import Counts
from rl.views.run_view import RunView

RL = "rl"
RECENT = 20
"""Steps that the pace is the mean of, where the run does not say how long it will take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRate:
    """Held-out pass@1 of one version."""

    version: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One run at one moment."""

    name: str
    path: Path
    kind: str
    """``rl``, ``sft`` or ``dpo``."""
    state: str
    """One of ``rl.records.status``, or ``died``; of runs without a status ``running``, ``died``, ``finished``
    or ``unfinished``."""
    silent: bool
    """It should have given a sign of life by now: its event loop hangs."""
    step: int
    steps: int | None
    eta_s: float | None
    started_at: float | None
    """Newest start, in seconds since the epoch."""
    temperature: float | None
    """Temperature that ``base`` and ``newest`` were sampled at."""
    base: PassRate | None
    newest: PassRate | None

    @property
    def going(self) -> bool:
        """True while its process is at work."""
        return self.state in ("starting", "running", "stopping")


def standing(run: RunView) -> Standing:
    """Read it from the status, and from the other files what that does not say."""
    status = run.status()
    config = run.config()
    kind = str(config.get("stage", RL))
    done = run.steps_done if status is None else max(run.steps_done, int(status["step"]))
    planned = run.setting("run.steps") if status is None else status["steps"] or None
    state = _state_without(run) if status is None else str(status["state"])
    attempts = run.attempts()
    base, newest, temperature = _pass_rates(run)
    going = state in ("starting", "running", "stopping")
    return Standing(
        name=run.name,
        path=run.path,
        kind=kind,
        state=state,
        silent=bool(status and status["silent"]),
        step=done,
        steps=planned,
        eta_s=_eta(run, status, done, planned) if going else None,
        started_at=attempts[-1].get("started_at") if attempts else status["started_at"] if status else None,
        temperature=temperature,
        base=base,
        newest=newest,
    )


def size_of(folder: Path) -> int:
    """Bytes that a directory takes on the disk; what a link points to is another's."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_blocks * 512
            except FileNotFoundError:  # a run that lives removes its old checkpoints
                continue
    return total


def _state_without(run: RunView) -> str:
    """The state of an sft or dpo run, or of one from before 0.3.0."""
    owner = run.files.owner()
    if owner is not None:  # one that ends, however it does, takes its mark away
        return "running" if owner.alive else "died"
    return "finished" if (run.path / "model").is_dir() else "unfinished"


def _eta(run: RunView, status: dict[str, Any] | None, done: int, planned: int | None) -> float | None:
    """Seconds left: the run's own word, less what has passed since; else the pace of its last steps."""
    if status is not None and status.get("eta_s") is not None:
        return max(0.0, float(status["eta_s"]) - (time.time() - float(status["updated_at"])))
    seconds = [row["time/step_s"] for row in run.metrics()[-RECENT:] if row.get("time/step_s")]
    if not seconds or planned is None:
        return None
    return max(0, planned - done) * sum(seconds) / len(seconds)


def _pass_rates(run: RunView) -> tuple[PassRate | None, PassRate | None, float | None]:
    """(the base's, the newest other version's, the temperature of both)."""
    main = run.setting("evaluation.temperature")
    counts = [c for c in run.evaluations() if main in (None, c.sampling.temperature)]
    if not counts:
        return None, None, None
    first = _rate(counts[0]) if counts[0].version == 0 else None
    last = _rate(counts[-1]) if counts[-1].version > 0 else None
    return first, last, counts[-1].sampling.temperature


def _rate(counts: Counts) -> PassRate | None:
    value = counts.pass_rate
    return None if math.isnan(value) else PassRate(version=counts.version, value=value)
