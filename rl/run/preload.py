"""Imports that the first step would wait for, made while the actors load the model."""

import asyncio
import contextlib
import importlib
import logging

from rl.config.schema import Config
from rl.records.trackers import LIBRARIES

logger = logging.getLogger(__name__)


def preload(config: Config) -> None:
    """Import the libraries of trackers and of rollout files. One that is missing is left to who needs it."""
    for name in config.tracker.use:
        if name in LIBRARIES:
            with contextlib.suppress(ImportError):
                importlib.import_module(LIBRARIES[name])
    if config.records.rollouts != "none":
        import pyarrow as pa

        pa.array([0])  # brings pandas, where it is installed


def begin_preload(config: Config) -> asyncio.Task[None]:
    """``preload`` in a thread; whatever goes wrong there is said again by who needs the library."""
    task = asyncio.create_task(asyncio.to_thread(preload, config), name="preload")
    task.add_done_callback(_note_failure)
    return task


def _note_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.info("a library could not be imported ahead: %s: %s", type(error).__name__, error)
