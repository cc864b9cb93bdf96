"""The verifiers section: the processes that judge completions."""

from typing import ClassVar, Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from rl.config.base import Section


class VerifiersConfig(Section):
    """A pool of killable processes, in the controller's process or on Ray actors of its own."""

    LIMITS: ClassVar[frozenset[str]] = frozenset({"start_timeout_s", "recycle_after", "recycle_mib", "cache"})

    workers: PositiveInt = 1
    """Verifier processes (of each actor); groups beyond that wait."""
    timeout_s: PositiveFloat | None = None
    """Wall seconds that one completion may take. None = what suits the task's reward
    (5, and 120 for code), at most half of ``stream.group_timeout_s``."""
    on_timeout: Literal["wrong", "unjudged"] | None = None
    """The word for a completion that takes longer. None = what the reward says (its attribute
    ``on_timeout``): ``wrong`` for the shipped ones, whose time is taken by the text itself, ``unjudged`` for
    your own, which may wait for a service."""
    start_timeout_s: PositiveFloat = 120.0
    """Imports and the reward's constructor."""
    memory_mib: NonNegativeInt | None = None
    """Address space of each process; 0 = unbounded. None = what suits the task's reward: 4096, and no bound
    for code, whose programs the sandbox bounds."""
    recycle_after: NonNegativeInt = 1000
    """Groups after which a process is replaced by a fresh one; 0 = never."""
    recycle_mib: NonNegativeInt = 512
    """MiB that a process may grow before it is replaced (``reward/leaks``); 0 = never."""
    cache: NonNegativeInt = 32768
    """Verdicts remembered by prompt and completion, where the reward is pure and not cheap; 0 = none."""
    placement: Literal["local", "ray"] = "local"
    """``local``: started by the controller, on its machine. ``ray``: on ``actors`` Ray actors, wherever the
    cluster has room."""
    actors: PositiveInt = 1
    """Ray actors with ``workers`` processes each."""
    cpus: PositiveFloat | None = None
    """Logical CPUs of an actor; None = one for each of its workers."""
    max_restarts: NonNegativeInt = 3
    """Actors lost and replaced; one more ends the run, since nothing could be judged."""

    @property
    def unread(self) -> frozenset[str]:
        """Actors are Ray's."""
        return frozenset(("actors", "cpus", "max_restarts") if self.placement == "local" else ())

    @property
    def actor_cpus(self) -> float:
        """Logical CPUs of an actor."""
        return float(self.workers) if self.cpus is None else self.cpus
