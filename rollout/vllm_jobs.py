"""Jobs that callers hand to the thread of an in-process engine, and their answers."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from rollout.stop_strings import StopStrings
from rollout.streaming import Watch
from rollout.vllm_outputs import SequenceRecord


@dataclass(slots=True, eq=False)
class Job:
    """Something for the engine thread to run between steps. ``run`` answers ``future``, now or when its
    sequences are done."""

    run: Callable[[], None]
    future: Future[Any]


@dataclass(slots=True, eq=False)
class Batch:
    """Sequences whose results belong to one call."""

    future: Future[Any]
    convert: Callable[[SequenceRecord, str], Any]
    """(record, finish reason) -> one result."""
    group_id: int | None = None
    watch: Watch | None = None
    stops: StopStrings | None = None
    """Texts that end its sequences."""
    results: list[Any] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    remaining: int = 0
    tokens: int = 0
    """Sampled so far, of all its sequences."""


def answer(future: Future[Any], result: Any) -> None:
    """Set the result unless the caller has gone."""
    if future.set_running_or_notify_cancel():
        future.set_result(result)


def reject(future: Future[Any], error: Exception) -> None:
    """Set the exception unless the caller has gone or has an answer."""
    if not future.done() and future.set_running_or_notify_cancel():
        future.set_exception(error)
