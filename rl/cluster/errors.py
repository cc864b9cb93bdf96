"""Errors of the layer between a run and Ray."""


class RayLost(RuntimeError):
    """The run stopped because its Ray is going; everything is in its last checkpoint."""
