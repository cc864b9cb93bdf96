"""How a run that has ended early is taken up again, as a command to type."""

import shlex
from pathlib import Path

import yaml

from rl.records.rundir import RunDir
from rl.records.trainer_checkpoints import checkpoints_of
from rl.run.checkpoint import CheckpointStore


def how_to_go_on(path: Path) -> str:
    """``t2rl train RUN/config.yaml resume=RUN/checkpoints/step-...``; or that it has no checkpoint."""
    stage, newest = stage_of(path), newest_checkpoint(path)
    if newest is None:
        return "It has no checkpoint yet, so it can only begin anew."
    step, checkpoint = newest
    command = shlex.join(["t2rl", stage, str(path / "config.yaml"), f"resume={checkpoint}"])
    return f"It goes on from step {step} with: {command}"


def stage_of(path: Path) -> str:
    """The command that began it: ``train``, ``sft`` or ``dpo``."""
    try:
        config = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "train"
    return str(config.get("stage", "train")) if isinstance(config, dict) else "train"


def newest_checkpoint(path: Path) -> tuple[int, Path] | None:
    """(steps done, directory); None without a whole one."""
    run = RunDir(path)
    if stage_of(path) != "train":
        return max(checkpoints_of(run.checkpoints), default=None)
    newest = CheckpointStore(run, keep=1).latest()
    return None if newest is None else (newest.step, newest.path)
