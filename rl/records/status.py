"""``RUN/status.json``: what a run is at, rewritten while it lives, and what a reader may conclude from it."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rl.records.jsonl import plain
from rl.records.owner import Owner

FILE = "status.json"
State = Literal["starting", "running", "stopping", "finished", "stopped", "failed"]
ALIVE = ("starting", "running", "stopping")
"""States of a run whose process must live; without it the run has died."""
DIED = "died"
SILENT_S = 15.0
"""A run rewrites its status every second; after so long without, its event loop hangs, or its disk does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorState:
    """One process of a run at one moment."""

    name: str
    """``engine-0``, ``learner-1``, ``verifier-0``, ``reward_model``."""
    kind: Literal["engine", "learner", "verifier", "reward_model"]
    state: str
    """``starting``, ``live``, ``busy``, ``lost``, ``returning``, ``stopped``."""
    detail: str = ""
    pid: int | None = None
    host: str | None = None


class StatusFile:
    """The file as its run writes it. Each write replaces the whole file, so a reader never sees half of
    one."""

    def __init__(self, run: Path) -> None:
        self._path = run / FILE

    def write(self, status: dict[str, Any]) -> None:
        """Replace the file's content.

        Raises:
            OSError: The directory cannot be written.
        """
        staging = self._path.with_suffix(".json.tmp")
        staging.write_text(json.dumps(plain(status)) + "\n", encoding="utf-8")
        staging.replace(self._path)


def read_status(run: Path) -> dict[str, Any] | None:
    """The status of a run directory, None where no run has written one.

    Adds ``alive`` (whether its process lives; None where that is on another host), ``age_s`` (since the last
    write) and ``silent`` (it should have written again by now). A process that is gone without saying so
    turns ``state`` into ``died``.
    """
    try:
        status: dict[str, Any] = json.loads((run / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except json.JSONDecodeError:
        return None
    age = max(0.0, time.time() - status["updated_at"])
    alive = Owner.read(status).alive
    going = status["state"] in ALIVE
    # Before the event loop runs nobody writes but at a new phase, and a phase may take minutes.
    silent = going and alive is not False and status["state"] != "starting" and age > SILENT_S
    status |= {"alive": alive, "age_s": age, "silent": silent}
    if going and alive is False:
        status["state"] = DIED
    return status


def actors_as_json(actors: list[ActorState]) -> list[dict[str, Any]]:
    """Rows of ``actors`` in the file."""
    return [asdict(actor) for actor in actors]
