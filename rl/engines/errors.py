"""Failures of the fleet, apart from the module that imports Ray, so that who only handles them need not."""


class EngineLost(RuntimeError):
    """The engine that held this request is gone; the request can be issued again elsewhere."""


class FleetDead(RuntimeError):
    """An engine died more often than ``rollout.max_restarts`` allows."""


class TransferGroupBroken(FleetDead):
    """An engine died where the learner and the others cannot go on without it (nccl, ipc): all must be built
    again, from the last checkpoint."""
