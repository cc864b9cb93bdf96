"""The checkpoints of a stage: directories that TRL's trainer wrote."""

import json
import logging
from pathlib import Path

from rl.records.storage import set_aside

logger = logging.getLogger(__name__)


def checkpoints_of(folder: Path) -> list[tuple[int, Path]]:
    """(steps done, directory) of every complete checkpoint, oldest first; one that a kill cut off has no
    readable state."""
    found = []
    for path in folder.glob("checkpoint-*"):
        try:
            found.append(
                (
                    int(json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))["global_step"]),
                    path,
                )
            )
        except (FileNotFoundError, json.JSONDecodeError):
            logger.warning("%s is incomplete and left out", path)
    return sorted(found)


def set_aside_after(folder: Path, steps: int) -> None:
    """Give those of later steps another name: the run goes back behind them."""
    for done, path in checkpoints_of(folder):
        if done > steps:
            set_aside(path)
