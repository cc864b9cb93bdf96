"""Time and cost of a run before it starts: simulated, where an earlier run of its name was recorded."""

from pathlib import Path
from typing import Any

from rl.config.schema import Config
from rl.records.rundir import RunDir
from rl.simulation.calibrate import calibrate
from rl.simulation.from_config import with_config
from rl.simulation.summary import predict

STEPS = 20
"""Training steps that are simulated."""


def estimate(config: Config) -> tuple[tuple[str, Any], ...]:
    """Labels and values, each marked as simulated; why there are none, where the earlier run does not do; ()
    without an earlier run."""
    earlier = RunDir.latest(Path(config.run.dir), config.run.name)
    if earlier is None:
        return ()
    try:
        spec = with_config(
            calibrate([earlier.path]).spec, lambda name, default: _setting(config, name, default)
        )
    except ValueError as error:
        return (("none", str(error)),)
    found = predict(spec, steps=STEPS)
    hours = found.step_s * config.run.steps / 3600
    gpus = config.cluster.gpus_per_engine or config.cluster.gpus_per_learner
    price = spec.usd_per_gpu_hour * spec.gpus * hours if gpus else 0.0
    return (
        ("calibrated on", str(earlier.path)),
        ("simulated: seconds of a step", round(found.step_s, 3)),
        ("simulated: hours of all steps", round(hours, 3)),
        ("simulated: learner idle share", round(found.learner_idle_share, 2)),
        ("simulated: engine idle share", round(found.engine_idle_share, 2)),
        ("simulated: staleness, mean", round(found.staleness_mean, 2)),
        *((("simulated: price", round(price, 2)),) if price else ()),
    )


def _setting(config: Config, name: str, default: Any) -> Any:
    value: Any = config
    for part in name.split("."):
        if not hasattr(value, part):
            return default
        value = getattr(value, part)
    return value
