"""The configuration of a rubric, checked: components, weights, schedules, gates."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rewards.rubric.schedules import Schedule

RESERVED = frozenset(
    (
        *(
            "mean",
            "std",
            "pass_rate",
            "trained_mean",
            "completions",
            "timeouts",
            "crashes",
            "errors",
            "respawns",
            "busy_s",
        ),
        *("lost", "recycles", "leaks", "cache_hits"),
    )
)
"""Names that no component may have: ``reward/NAME`` is another figure in the log."""


class Gate(BaseModel):
    """Another component that opens or shuts this one; it is read as it is, unweighted and ungated."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    component: str
    """Name of the component that decides."""
    at_least: float = Field(default=1.0, allow_inf_nan=False)
    """The gate is open where that component has at least this value."""


class Weight(BaseModel):
    """How much a component counts, when."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    weight: float = Field(default=1.0, allow_inf_nan=False)
    """At the start of the run."""
    schedule: Schedule = Schedule()
    """Where the weight goes; the name of a kind stands for the kind with its defaults."""
    gate: Gate | None = None
    """Counts only where this gate is open; the name of a component stands for that component at 1."""

    @field_validator("schedule", mode="before")
    @classmethod
    def _kind_alone(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @field_validator("gate", mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"component": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _schedule_fits(self) -> "Weight":
        self.schedule.check(self.weight)
        return self

    def at(self, progress: float) -> float:
        """The weight when the share ``progress`` of the run is over."""
        return self.schedule.at(self.weight, progress)


class ComponentSpec(Weight):
    """One component: a reward, or experts by category."""

    reward: str | None = None
    """A name from ``rewards.REWARDS`` or an import path."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the reward."""
    experts: dict[str, Any] | None = None
    """Instead of ``reward``: category -> {reward, args}; see ``rewards.experts``."""
    default: str | dict[str, Any] | None = None
    """Expert of all other categories; without it an unknown category is an error."""

    @model_validator(mode="after")
    def _one_source(self) -> "ComponentSpec":
        if (self.reward is None) == (self.experts is None):
            raise ValueError(
                "set either reward (a name or an import path) or experts (category -> {reward, args})"
            )
        if self.experts is None and self.default is not None:
            raise ValueError("default belongs to experts")
        if self.experts is not None and self.args:
            raise ValueError("args belong to each expert")
        return self

    @property
    def source(self) -> tuple[str, dict[str, Any]]:
        """Name and arguments for ``rewards.build_reward``."""
        if self.experts is not None:
            return "experts", {"experts": self.experts, "default": self.default}
        return str(self.reward), self.args


class RubricSpec(BaseModel):
    """All components, and which of them decides what is correct."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    components: dict[str, ComponentSpec] = Field(min_length=1)
    correct: str | None = None
    """Component whose verdict is the sample's; needed where several could give one."""

    @model_validator(mode="after")
    def _names_meet(self) -> "RubricSpec":
        names = sorted(self.components)
        for name, spec in self.components.items():
            if name in RESERVED:
                raise ValueError(
                    f"components.{name}: the log has reward/{name} for something else; choose another name"
                )
            if spec.gate is not None and spec.gate.component not in self.components:
                raise ValueError(
                    f"components.{name}.gate: there is no component {spec.gate.component!r}; use one of"
                    f" {names}"
                )
            if spec.gate is not None and spec.gate.component == name:
                raise ValueError(f"components.{name}.gate: a component cannot be its own gate")
        if self.correct is not None and self.correct not in self.components:
            raise ValueError(f"correct: there is no component {self.correct!r}; use one of {names}")
        return self


R1_ZERO: dict[str, Any] = {
    "components": {
        "math": {"reward": "math", "weight": 0.9},
        "format": {"reward": "format", "weight": 0.1},
    },
    "correct": "math",
}
"""The rubric without arguments: accuracy and format, after DeepSeek-R1-Zero (arXiv 2501.12948), which gives
no weights."""


def read_rubric(args: Mapping[str, Any]) -> RubricSpec:
    """The spec of a rubric's ``reward_args``.

    Raises:
        ValueError: Naming each field that is wrong, and why.
    """
    try:
        return RubricSpec.model_validate({**args} or R1_ZERO)
    except ValidationError as error:
        lines = [
            f"rubric: {'.'.join(map(str, item['loc']))}: {item['msg']}".replace(": :", ":")
            for item in error.errors()
        ]
        raise ValueError("\n".join(line.replace("Value error, ", "") for line in lines)) from error


def refuse_schedules(place: str, reward: Any) -> None:
    """Raise ``ValueError`` if a reward inside of another one is, or holds, a rubric that follows schedules:
    only the outermost one is weighed at its step."""
    for inner in (reward, *getattr(reward, "heads", ())):
        spec = getattr(inner, "spec", None)
        if isinstance(spec, RubricSpec) and any(
            part.schedule.kind != "constant" for part in spec.components.values()
        ):
            raise ValueError(
                f"{place}: a rubric inside another reward cannot follow schedules; lift its components out,"
                " or give it constant weights"
            )
