"""TensorBoard: event files in ``RUN/tensorboard``; ``tensorboard --logdir runs`` shows all runs."""

import json
from collections.abc import Mapping, Sequence

from rl.records.trackers.base import Row, TrackedRun, markdown_table


class TensorBoardRun:
    """One event file an attempt."""

    def __init__(self, run: TrackedRun) -> None:
        """Open a file; TensorBoard then hides what earlier ones have of the steps that are trained again."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer: SummaryWriter | None = SummaryWriter(
            str(run.directory / "tensorboard"), purge_step=run.restored_step if run.attempt > 1 else None
        )
        if run.attempt == 1:
            text = json.dumps(run.config, indent=2, default=str)
            self._writer.add_text("config", "\n".join(f"    {line}" for line in text.splitlines()), 0)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record one step."""
        assert self._writer is not None, "finished"
        for key, value in metrics.items():
            self._writer.add_scalar(key, value, step)
        self._writer.flush()  # a killed run has lost nothing, and a running one can be watched

    def samples(self, step: int, rows: Sequence[Row]) -> None:
        """Show a table among the texts."""
        assert self._writer is not None, "finished"
        self._writer.add_text("samples", markdown_table(rows), step)

    def finish(self) -> None:
        """Flush and end; idempotent."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
