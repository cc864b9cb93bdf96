"""The turns that engines and learner take on one device (``cluster.colocated``), put together."""

from functools import partial

from rl.config.schema import Config
from rl.engines.colocated import ColocatedFleet
from rl.engines.fleet import EngineFleet
from rl.learner.group import LearnerGroup
from rl.records.trace import TraceWriter
from rl.stream.turns import ENGINES, LEARNER, Apart, Moves, Turns

TRACK = "turns"
"""The trace's track for whose turn it was, and for the changes between them."""


def make_turns(config: Config) -> Apart:
    """The run's turns; both sides work when they like where each has devices of its own."""
    stream = config.stream
    if not config.cluster.colocated:
        return Apart()
    # What one side may be at, at most: an engine's start, or a step of the learner.
    return Turns(limit_s=stream.start_timeout_s + stream.step_timeout_s)


def let_take_turns(turns: Apart, fleet: EngineFleet, learner: LearnerGroup, *, level: int) -> None:
    """Tell the turns how each side leaves the device and comes back; before either has started."""
    if isinstance(turns, Turns):
        assert isinstance(fleet, ColocatedFleet)
        turns.moves = {
            ENGINES: Moves(leave=partial(fleet.sleep, level), come=fleet.wake),
            LEARNER: Moves(leave=partial(learner.move, "offload"), come=partial(learner.move, "reload")),
        }


def trace_turns(turns: Apart, trace: TraceWriter) -> None:
    """Let every turn and every change be a span of the trace."""
    if isinstance(turns, Turns):
        turns.watch = partial(trace.complete, TRACK)
