"""The rungs of a cascade: from options, or from the file that ``t2rl plan cascade`` writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from rl.serve.choice import DEFAULT_ROUND


class RungPlan(BaseModel):
    """One rung, by the directories of its models."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path
    """Model or run directory."""
    partner: Path | None = None
    """Another one: where nothing verifies, both must give one answer."""
    samples: PositiveInt = 1
    """Most samples that a verifier is shown; in the last rung also the most that vote."""
    agree: PositiveInt = Field(default_factory=lambda data: DEFAULT_ROUND if data["partner"] is None else 1)
    """Samples of each model that must give one answer where nothing verifies."""

    @property
    def models(self) -> tuple[Path, ...]:
        """One or two."""
        return (self.model,) if self.partner is None else (self.model, self.partner)


class CascadePlan(BaseModel):
    """Rungs in the order in which they are asked."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    rungs: tuple[RungPlan, ...]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.rungs) < 2:
            raise ValueError(
                f"rungs: there is {len(self.rungs)}, and a cascade has at least two; serve one model by t2rl"
                " serve MODEL_DIR"
            )
        if self.rungs[-1].partner is not None:
            raise ValueError("rungs: the last one has a partner, but its answer stands whoever agrees")
        for number, rung in enumerate(self.rungs[:-1], 1):
            if rung.partner is None and rung.agree < 2:
                raise ValueError(
                    f"rungs: number {number} has agree=1 and no partner, and one sample always agrees with"
                    " itself; give agree=2 or more, or a partner"
                )
        return self


def from_options(first: str, further: Sequence[str], *, samples: int, agree: int) -> CascadePlan:
    """``t2rl serve FIRST --cascade NEXT ...``: every rung alike.

    Raises:
        ValueError: naming the option.
    """
    if agree < 2:
        raise ValueError(f"--agree {agree}: one sample always agrees with itself; give 2 or more")
    models = [Path(one) for one in (first, *further)]
    return CascadePlan(rungs=tuple(RungPlan(model=model, samples=samples, agree=agree) for model in models))


def read_cascade(file: Path) -> CascadePlan:
    """Read and check a plan in JSON or YAML; paths are relative to its folder.

    Raises:
        ValueError: no such file, or not a cascade; names file and field.
    """
    if not file.is_file():
        raise ValueError(f"{file}: no such file; t2rl plan cascade CANDIDATES... --to {file} writes one")
    try:
        plan = CascadePlan.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(
            f"{file}: {where + ': ' if where else ''}{first['msg']}; expected  rungs: [{{model: DIR, samples:"
            " N, agree: N}, ...]"
        ) from error
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: neither JSON nor YAML: {error}") from error

    def placed(rung: RungPlan) -> RungPlan:
        paths = {"model": file.parent / rung.model}
        if rung.partner is not None:
            paths["partner"] = file.parent / rung.partner
        return rung.model_copy(update=paths)

    return CascadePlan(rungs=tuple(placed(rung) for rung in plan.rungs))
