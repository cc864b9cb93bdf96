"""The actors of one attempt: engines and learner ranks in their seats."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.cluster.placement import Placed
from rl.config.learner import DilocoSync
from rl.config.model import trusts_code
from rl.config.schema import Config
from rl.engines.actors import create_fleet, learner_options
from rl.engines.fleet import EngineFleet
from rl.learner.diloco.group import ReplicaGroup
from rl.learner.group import LearnerGroup
from rl.run.rollout_records import wanted_of_learner
from rl.run.surviving_learner import SurvivingLearner
from rl.run.turns import let_take_turns, make_turns
from rl.stream.turns import Apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Actors:
    """Engines and learner ranks in their seats, not yet started."""

    fleet: EngineFleet
    reserved: EngineFleet | None
    """Engines of evaluations beside the training."""
    learner: LearnerGroup
    placed: Placed
    """Their seats."""
    turns: Apart
    """That engines and learner take, where they share a device."""

    @property
    def fleets(self) -> list[EngineFleet]:
        """Every engine's."""
        return [self.fleet] if self.reserved is None else [self.fleet, self.reserved]


def create_actors(
    config: Config, model_path: Path, placed: Placed, *, ready: dict[int, Any] | None = None
) -> Actors:
    """The engines and ranks of a run. ``ready``: actors of ``warm_engines``; the ranks' processes are then
    created now too, and import what they will need. Else all of that happens when they are started."""
    turns = make_turns(config)
    fleet = create_fleet(config, model_path, placed, ready=ready, turns=turns)
    reserved = None
    if config.evaluation.engines:
        reserved = create_fleet(config, model_path, placed, for_evaluation=True, ready=ready)
    learner = _learner(config, model_path, placed, fleet, turns)
    let_take_turns(turns, fleet, learner, level=config.cluster.sleep_level)
    if ready is not None:
        learner.warm()
    return Actors(fleet=fleet, reserved=reserved, learner=learner, placed=placed, turns=turns)


def _learner(
    config: Config, model_path: Path, placed: Placed, fleet: EngineFleet, turns: Apart
) -> LearnerGroup:
    """The ranks; those of one state survive deaths among them wherever engines can go on meanwhile."""
    arguments: dict[str, Any] = {
        "config": config.learner,
        "algorithm": config.algorithm,
        "model_path": str(model_path),
        "trust": trusts_code(config.model),
        "seed": config.run.seed,
        "total_steps": config.run.steps,
        "max_tokens": config.rollout.max_tokens,
        "serves_bf16": config.rollout.dtype == "bfloat16",
        "records": wanted_of_learner(config.records),
        "actor_options": learner_options(config, placed),
        "timeout_s": config.stream.step_timeout_s,
        "start_timeout_s": config.stream.start_timeout_s,
        "turns": turns,
    }
    if isinstance(config.learner.sync, DilocoSync):
        return ReplicaGroup(**arguments)
    apart = not turns.exclusive and config.rollout.weight_transfer not in ("nccl", "ipc")
    if config.learner.replay_mib == 0 or not apart:
        return LearnerGroup(**arguments)
    room = config.learner.replay_mib << 20
    return SurvivingLearner(room_bytes=room, pause=fleet.changed.stopped_clock, **arguments)
