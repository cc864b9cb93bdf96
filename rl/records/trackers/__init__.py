"""Trackers: where metrics and a few samples go besides the run directory. One file each, one line here.

``metrics.jsonl`` is always written; a tracker is for looking and comparing, and never a reason for a run to
fail.
"""

from collections.abc import Callable

from rl.records.trackers.base import TrackedRun, Tracker
from rl.records.trackers.mlflow import MlflowRun
from rl.records.trackers.tensorboard import TensorBoardRun
from rl.records.trackers.trackio import TrackioRun
from rl.records.trackers.wandb import WandbRun

OpenTracker = Callable[[TrackedRun], Tracker]
"""Starts tracking a run, or goes on; a tracker of your own is one of these."""

TRACKERS: dict[str, OpenTracker] = {
    "mlflow": MlflowRun,
    "tensorboard": TensorBoardRun,
    "trackio": TrackioRun,
    "wandb": WandbRun,
}
"""Name -> tracker. Each imports its library when it is opened."""
LIBRARIES = {
    "mlflow": "mlflow",
    "tensorboard": "torch.utils.tensorboard",
    "trackio": "trackio",
    "wandb": "wandb",
}
"""Tracker -> the library that it imports."""
