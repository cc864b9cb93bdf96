"""The base of every config section."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Frozen; unknown keys are errors; a default is a default, not a silent conversion."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )
    LIMITS: ClassVar[frozenset[str]] = frozenset()
    """Fields that bound what goes wrong and decide nothing else; shown where they are set."""

    @property
    def unread(self) -> frozenset[str]:
        """Fields that nothing reads, as the others are."""
        return frozenset()
