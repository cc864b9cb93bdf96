"""Failures of the fleet, apart from the module that imports Ray, so that who only handles them need not."""


class EngineLost(RuntimeError):
    """The engine that held this request is gone; the request can be issued again elsewhere."""


class FleetDead(RuntimeError):
    """An engine died more often than ``rollout.max_restarts`` allows."""


class TransferGroupBroken(FleetDead):
    """An engine died where none can rejoin (nccl, ipc): engines and learner must be built again, from the
    last checkpoint."""
