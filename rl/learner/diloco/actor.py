"""One replica as a Ray actor: a learner rank alone in its process group, and the outer state beside it."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from rl.batch.types import StepResult, TrainingBatch
from rl.config.learner import DilocoSync
from rl.learner.actor import LearnerActor
from rl.learner.diloco.link import LinkBroken, Meeting
from rl.learner.diloco.replica import NEW, Replica
from rl.learner.shape import SHAPE_FILE, refuse_other_shape, run_shape
from rollout.engine import WeightUpdate

logger = logging.getLogger(__name__)

BROKEN = "link_broken"
"""In a result's ``detail``: this replica lost the others."""


class ReplicaActor(LearnerActor):
    """As a learner's only rank to DeepSpeed; to the others it is ``number``. ``train_share``, ``join`` and
    ``save`` are to be called on all replicas at once."""

    def __init__(self, *, number: int, **arguments: Any) -> None:
        """``arguments``: those of ``LearnerRank``."""
        super().__init__(rank=0, world_size=1, **arguments)
        self._number = number
        self._outer: Replica | None = None

    def __repr__(self) -> str:
        """The name; Ray writes it at the head of the actor's log files."""
        return f"learner-{self._number}"

    def setup(self, address: str, port: int) -> dict[str, Any]:
        """As in LearnerRank, alone; ``join`` follows."""
        facts = super().setup(address, port)
        config = self._settings.config
        assert isinstance(config.sync, DilocoSync)
        self._outer = Replica(
            self._engine,
            config.sync,
            last_batch=self._settings.total_steps,
            timeout_s=config.collective_timeout_s,
        )
        return facts

    @property
    def _replica(self) -> Replica:
        assert self._outer is not None, "setup() first"
        return self._outer

    def join(self, meeting: Meeting) -> None:
        """Meet the other replicas; one that is new continues from their outer weights and schedule, with an
        inner optimizer that has seen nothing."""
        new = self._replica.batches == NEW
        told = self._replica.join(meeting, self._schedule())
        if new:
            self._follow(told)

    def train_share(self, share: TrainingBatch | None) -> StepResult:
        """The updates of this replica's share, None where it has none, and the exchange that is due."""
        result = StepResult(applied=True) if share is None else self.train(share)
        try:
            figures = self._replica.after_batch()
        except LinkBroken as error:
            logger.warning("%s", error)
            result.detail[BROKEN] = 1
        else:
            result.metrics.update(figures)
        return result

    def publish(self, version: int, directory: str) -> WeightUpdate | None:
        """As in LearnerRank, the outer weights; each replica has files of its own, since another may have
        died while engines read its."""
        with self._replica.outer_weights():
            return super().publish(version, str(Path(directory) / f"replica-{self._number}"))

    def score(self, sequences: list[list[int]]) -> list[list[float]]:
        """As in LearnerRank, by the outer weights, which engines serve."""
        with self._replica.outer_weights():
            return super().score(sequences)

    def prompt_signals(
        self, prompts: list[list[int]], columns: list[str], template: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """As in LearnerRank, by the outer weights."""
        with self._replica.outer_weights():
            return super().prompt_signals(prompts, columns, template)

    def export(self, directory: str, base: str | None = None) -> None:
        """As in LearnerRank, the outer weights."""
        with self._replica.outer_weights():
            super().export(directory, base)

    def save(self, directory: str, background: bool = True, lead: bool = True) -> None:
        """As in LearnerRank, into a directory of its own; the ``lead`` also writes what all share."""
        super().save(str(self._own(directory)), background)
        write = self._engine.checkpoint_engine.save if lead else None
        self._replica.save(Path(directory), self._schedule(), write)
        if lead:
            (Path(directory) / SHAPE_FILE).write_text(json.dumps(self._shape_of_all(), indent=1))

    def load(self, directory: str) -> None:
        """As in LearnerRank; a replica that was missing when the checkpoint was taken starts from the outer
        weights."""
        refuse_other_shape(Path(directory), self._shape_of_all())
        own = self._own(directory).is_dir()
        if own:
            super().load(str(self._own(directory)))
        schedule = self._replica.load(Path(directory), own=own)
        if not own:
            self._follow(schedule)

    def _own(self, directory: str) -> Path:
        return Path(directory) / f"replica-{self._number}"

    def _shape_of_all(self) -> dict[str, Any]:
        config = self._settings.config
        return run_shape(config, self._settings.algorithm, world_size=config.num_ranks)

    def _schedule(self) -> dict[str, int]:
        """Where the inner learning rate is."""
        return {"updates": self._engine.lr_scheduler.last_epoch, "batches": self._built.progress.batches}

    def _follow(self, schedule: dict[str, int]) -> None:
        """Take another replica's ``_schedule``."""
        scheduler = self._engine.lr_scheduler
        scheduler.last_epoch = schedule["updates"]
        for group, rate, multiplier in zip(
            self._engine.optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True
        ):
            group["lr"] = rate * multiplier(scheduler.last_epoch)
        self._built.progress.batches = schedule["batches"]
