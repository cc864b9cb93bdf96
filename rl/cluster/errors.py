"""Errors of the layer between a run and Ray."""


class RayLost(RuntimeError):
    """The run stopped because its Ray is going; everything is in its last checkpoint."""


class PlacementError(RuntimeError):
    """The cluster cannot hold the run; the message says what is asked and what there is."""
