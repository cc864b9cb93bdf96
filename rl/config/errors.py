"""The one error of a configuration: the user's input, so it is shown without a traceback and ends with exit
code 2."""

import difflib
from collections.abc import Iterable


class ConfigError(ValueError):
    """A configuration that cannot run; the message names the field and the fix."""


def suggest(name: str, choices: Iterable[str]) -> str:
    """``" Did you mean 'x'?"`` for the nearest choice, or ``""`` when nothing is near."""
    near = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def listed(choices: Iterable[str]) -> str:
    """Choices as a comma-separated list, sorted."""
    return ", ".join(sorted(choices)) or "none"
