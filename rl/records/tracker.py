"""Experiment trackers behind two methods. ``metrics.jsonl`` is always written; a tracker is for looking and
comparing."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from rl.records.jsonl import plain

logger = logging.getLogger(__name__)


class Tracker(Protocol):
    """Where metrics go besides the run directory."""

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Record one step."""
        ...

    def finish(self) -> None:
        """Flush and end; idempotent."""
        ...


class NoTracker:
    """Records nothing."""

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


class WandbTracker:
    """Weights & Biases, offline unless WANDB_MODE says otherwise: no account, no network; ``wandb sync DIR``
    uploads later."""

    def __init__(self, directory: Path, *, name: str, config: Mapping[str, Any], attempt: int = 1) -> None:
        """Start a wandb run whose files lie in ``directory/wandb``. Raises what wandb raises."""
        import wandb

        mode: Any = os.environ.get("WANDB_MODE", "offline")
        settings = wandb.Settings(
            mode=mode,
            console="off",
            silent=True,
            quiet=True,
            x_disable_stats=True,
            disable_git=True,
            disable_code=True,
        )
        self._run: Any = wandb.init(
            project="t2rl",
            name=name if attempt == 1 else f"{name} (attempt {attempt})",
            group=name,
            dir=str(directory),
            config=dict(plain(config)),
            settings=settings,
        )
        # After a resume steps begin below the last one that was logged, so the step is a metric, not wandb's
        # own counter.
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Record the numbers of one step; text and nulls are left to ``metrics.jsonl``."""
        numbers = {k: v for k, v in plain(metrics).items() if isinstance(v, int | float)}
        self._run.log({"step": step, **numbers})

    def finish(self) -> None:
        """Flush and end; idempotent."""
        if self._run is not None:
            self._run.finish()
            self._run = None


def make_tracker(
    kind: Literal["wandb", "none"], directory: Path, *, name: str, config: Mapping[str, Any], attempt: int = 1
) -> Tracker:
    """The tracker of a run. One that cannot start is a warning: a run never fails for want of a dashboard."""
    if kind == "none":
        return NoTracker()
    try:
        from wandb.errors import Error as WandbError
    except ImportError as error:
        logger.warning(
            "wandb is not usable (%s); metrics go to metrics.jsonl only; tracker=none silences this", error
        )
        return NoTracker()
    try:
        return WandbTracker(directory, name=name, config=config, attempt=attempt)
    except (WandbError, OSError, ValueError, RuntimeError) as error:
        logger.warning(
            "wandb did not start (%s: %s); metrics go to metrics.jsonl only; tracker=none silences this",
            type(error).__name__,
            error,
        )
        return NoTracker()
