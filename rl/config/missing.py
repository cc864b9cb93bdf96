"""Values that a config leaves to its user: ``???`` in YAML, or a part that has no default."""

from collections.abc import Iterator, Mapping
from typing import Any

MARK = "???"
"""OmegaConf's word for a value that must be given."""


class MissingError(ValueError):
    """A section lacks what its user must give; ``field`` is where it goes."""

    def __init__(self, field: str, message: str) -> None:
        """``field``: dotted, the one that a user would most likely set."""
        super().__init__(message)
        self.field = field


def marked(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of every ``???`` of a composed tree."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from marked(value, f"{prefix}{key}.")
        elif value == MARK:
            yield f"{prefix}{key}"


def with_mark(tree: Mapping[str, Any], field: str) -> dict[str, Any]:
    """A copy of the tree that has ``???`` at a dotted name."""
    head, _, rest = field.partition(".")
    below = tree.get(head)
    return {**tree, head: with_mark(below if isinstance(below, Mapping) else {}, rest) if rest else MARK}
