"""The configuration of a run: every section, frozen, and checked before any actor starts."""

from pydantic import model_validator

from rl.config.checks import problems
from rl.config.tree import ConfigTree


class Config(ConfigTree):
    """One run. Sections check themselves; what spans sections is checked by
    :func:`rl.config.checks.problems`."""

    @model_validator(mode="after")
    def _sections_fit(self) -> "Config":
        found = problems(self)
        if found:
            raise ValueError("\n".join(found))
        return self
