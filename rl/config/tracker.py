"""The tracker section: where metrics and a few samples go besides the run directory."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from rl.config.base import Section
from rl.config.choice import OWN_CODE, OWN_CODE_FORM
from rl.config.errors import listed, suggest

NAMES = ("mlflow", "tensorboard", "trackio", "wandb")
"""Trackers that ship; a test holds them to ``rl.records.trackers.TRACKERS``."""
NONE = "none"


def _names(value: Any) -> tuple[str, ...]:
    """``wandb+tensorboard``, a list of names, or ``none``.

    Raises:
        ValueError: A name is no tracker, or is there twice.
    """
    given = value if isinstance(value, list | tuple) else [NONE if value is None else value]
    names = [part.strip() for one in given for part in str(one).split("+")]
    for name in names:
        if name not in (*NAMES, NONE) and not OWN_CODE.fullmatch(name):
            choices = listed([*NAMES, NONE, OWN_CODE_FORM])
            raise ValueError(f"{name!r} is none of {choices}.{suggest(name, (*NAMES, NONE))}")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))}: named twice")
    return tuple(name for name in names if name != NONE)


class WandbConfig(Section):
    """Weights & Biases."""

    project: str = "t2rl"
    """Project."""
    entity: str | None = None
    """User or team; None = that of the account."""
    group: str | None = None
    """Runs of one group are shown together."""
    tags: tuple[str, ...] = ()
    """Tags of the run."""
    notes: str | None = None
    """A longer text about the run."""


class MlflowConfig(Section):
    """MLflow."""

    uri: str | None = None
    """Tracking server or database; None = MLFLOW_TRACKING_URI, else a database in ``RUN/mlflow``."""
    experiment: str = "t2rl"
    """Experiment; made if it is not there."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags of the run."""


class TrackioConfig(Section):
    """Trackio."""

    project: str = "t2rl"
    """Project."""
    group: str | None = None
    """Runs of one group are shown together."""
    space: str | None = None
    """Space on the hub to log to; None = TRACKIO_SPACE_ID, else the database on this machine."""


class TrackerConfig(Section):
    """``tracker=wandb+tensorboard`` is short for ``tracker.use=[wandb,tensorboard]``, in files too."""

    LIMITS: ClassVar[frozenset[str]] = frozenset(
        {"samples", "samples_every", "wandb", "mlflow", "trackio", "own"}
    )

    use: Annotated[tuple[str, ...], BeforeValidator(_names)] = ("wandb",)
    """``wandb`` (offline, into the run directory, unless WANDB_MODE says otherwise), ``tensorboard``,
    ``trackio``, ``mlflow``, several of them, ``none``, or your own: ``pkg.module:attr`` or
    ``path/to/file.py:attr``."""
    samples: NonNegativeInt = 4
    """Rollouts shown at a time, from the worst to the best; 0 = none."""
    samples_every: PositiveInt = 10
    """Steps between showing rollouts."""
    wandb: WandbConfig = WandbConfig()
    """Settings of ``wandb``."""
    mlflow: MlflowConfig = MlflowConfig()
    """Settings of ``mlflow``."""
    trackio: TrackioConfig = TrackioConfig()
    """Settings of ``trackio``."""
    own: dict[str, Any] = Field(default_factory=dict)
    """Settings of trackers of your own."""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping | cls) else {"use": value}

    def settings_of(self, name: str) -> dict[str, Any]:
        """Settings of the tracker ``name``, in JSON's types."""
        if OWN_CODE.fullmatch(name):
            return self.own
        section = getattr(self, name, None)
        return section.model_dump(mode="json") if isinstance(section, Section) else {}
