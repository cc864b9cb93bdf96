"""The root of the command line: options of every command, which may stand anywhere on the line."""

from collections.abc import Sequence
from typing import Any

from typer.core import TyperGroup

ANYWHERE = frozenset({"--verbose", "-v", "--quiet", "-q", "--debug"})
"""Flags of the root that are also taken behind a command: ``t2rl train quickstart --quiet``. No command has
one of these names for itself (a test)."""


class Root(TyperGroup):
    """``t2rl`` itself."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, with the flags of ``ANYWHERE`` moved in front of the command."""
        return super().parse_args(ctx, flags_first(args))


def flags_first(args: Sequence[str]) -> list[str]:
    """The words with the flags of ``ANYWHERE`` first; what follows a ``--`` stays where it is."""
    end = args.index("--") if "--" in args else len(args)
    head, tail = args[:end], args[end:]
    flags = [word for word in head if word in ANYWHERE]
    return [*flags, *(word for word in head if word not in ANYWHERE), *tail]
