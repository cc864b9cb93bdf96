"""Named suites: published problem sets as users have their files.

A new suite is one module with a ``SUITE`` (``rl.evaluation.suites.base.Suite``) and one line in
:data:`SUITES`.
"""

from importlib import import_module
from typing import cast

from rl.config.errors import suggest
from rl.evaluation.suites.base import Suite

SUITES: dict[str, str] = {
    "aime": "rl.evaluation.suites.aime",
    "gsm8k": "rl.evaluation.suites.gsm8k",
    "humaneval": "rl.evaluation.suites.humaneval",
    "ifbench": "rl.evaluation.suites.ifbench",
    "ifeval": "rl.evaluation.suites.ifeval",
    "instructions": "rl.evaluation.suites.instructions",
    "math500": "rl.evaluation.suites.math500",
    "mbpp": "rl.evaluation.suites.mbpp",
    "multiarith": "rl.evaluation.suites.multiarith",
    "svamp": "rl.evaluation.suites.svamp",
}
"""Name -> module."""


def load_suite(name: str) -> Suite:
    """The suite of a name.

    Raises:
        ValueError: there is none.
    """
    if name not in SUITES:
        near = suggest(name, SUITES)
        raise ValueError(f"suite {name!r} is unknown.{near} There are {', '.join(SUITES)}")
    return cast(Suite, import_module(SUITES[name]).SUITE)
