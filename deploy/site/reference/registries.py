"""References of what a config names and a registry knows: algorithms, curriculum parts, rewards."""

import dataclasses
from typing import Any

import yaml

from curricula import CURRICULA
from deploy.site.reference.words import code, prose, table
from rewards import REWARDS
from rl.commands.rewards.names import first_line
from rl.config.compose import PACKAGED, config_groups
from rl.config.explain import plain

REWARDS_PAGE = "reference/rewards.md"
CURRICULA_PAGE = "reference/curricula.md"
ALGORITHMS_PAGE = "reference/algorithms.md"
_ALGORITHMS = """# Algorithms

Every algorithm is a preset of the parts of one estimator, here side by side. An empty cell is the default
of its field ([configuration](config/algorithm.md)). [Objectives](../objectives.md) says what the parts do,
what is left of each paper, and what was measured.

"""
_CURRICULA = """# Curriculum parts

A part goes into a slot, `curriculum.SLOT.name=PART`; a preset fills slots at once. What stands below a part
are its arguments, keys of `curriculum.SLOT.args`. [Curricula](../curricula.md) compares the presets,
[methods](../methods/README.md) has the formulas.

"""
_REWARDS = """# Rewards

`task.reward=NAME` takes one, `task.reward_args` its parameters. [Rewards](../rewards.md) says how to write,
check and combine them.

"""
PARTS = ("advantage", "mask", "reference", "likelihood", "aggregation")
"""Fields of ``algorithm`` that the table of presets compares; others are named beside them."""


def pages() -> dict[str, str]:
    """{page: Markdown}."""
    return {ALGORITHMS_PAGE: _algorithms(), CURRICULA_PAGE: _curricula(), REWARDS_PAGE: _rewards()}


def _algorithms() -> str:
    rows = []
    for name in sorted(config_groups(PACKAGED)["algorithm"]):
        tree = yaml.safe_load((PACKAGED / "algorithm" / f"{name}.yaml").read_text(encoding="utf-8")) or {}
        own = tree.get("algorithm", tree)
        more = sorted(key for key in own if key not in (*PARTS, "name"))
        beyond = sorted(key for key in tree if "algorithm" in tree and key != "algorithm")
        rows.append(
            (
                f"[{code(name)}](presets.md#algorithm-{name})",
                *(_setting(own.get(part)) for part in PARTS),
                ", ".join(code(key) for key in more),
                ", ".join(code(key) for key in beyond),
            )
        )
    return _ALGORITHMS + table(("preset", *PARTS, "also sets", "outside of `algorithm`"), rows)


def _setting(value: Any) -> str:
    """A part as a preset sets it: its name, with its numbers."""
    if value is None:
        return ""
    if not isinstance(value, dict):
        return code(plain(value))
    numbers = {
        key: key if isinstance(inner, dict) else f"{key}={plain(inner)}" for key, inner in value.items()
    }
    rest = ", ".join(text for key, text in numbers.items() if key != "name")
    return code(str(value.get("name", ""))) + (f" {prose(rest)}" if rest else "")


def _curricula() -> str:
    rows = [(f"[{code(name)}](#{name})", prose(_summary(part))) for name, part in CURRICULA.items()]
    presets = _parts_of_presets()
    sections = []
    for name, part in CURRICULA.items():
        used = [
            f"[{code(f'curriculum={preset}')}](presets.md#curriculum-{preset})"
            for preset in presets.get(name, [])
        ]
        sections += [
            f"## `{name}` {{ #{name} }}\n",
            f"In {', '.join(used)}.\n" if used else "In no preset: name it in its slot.\n",
            _documented(
                f"{part.__module__}.{part.__qualname__}",
                [field.name for field in dataclasses.fields(part)] if dataclasses.is_dataclass(part) else [],
            ),
        ]
    return "\n".join([_CURRICULA, table(("part", "what it does"), rows), *sections])


def _parts_of_presets() -> dict[str, list[str]]:
    """{part: presets of the group curriculum that put it into a slot}."""
    found: dict[str, list[str]] = {}
    for preset in sorted(config_groups(PACKAGED)["curriculum"]):
        tree = yaml.safe_load((PACKAGED / "curriculum" / f"{preset}.yaml").read_text(encoding="utf-8")) or {}
        for slot in tree.get("curriculum", tree).values():
            if isinstance(slot, dict) and "name" in slot:
                found.setdefault(str(slot["name"]), []).append(preset)
    return found


def _rewards() -> str:
    rows = [(f"[{code(name)}](#{name})", prose(first_line(target))) for name, target in REWARDS.items()]
    sections = [
        f"## `{name}` {{ #{name} }}\n\n{_documented(target.replace(':', '.'), [])}"
        for name, target in REWARDS.items()
    ]
    return "\n".join([_REWARDS, table(("reward", "verdict"), rows), *sections])


def _documented(path: str, members: list[str]) -> str:
    """A block that mkdocstrings fills from the docstrings of a class, with these members of it."""
    shown = f"[{', '.join(members)}]" if members else "false"
    options = (
        "show_root_heading: false",
        "show_root_toc_entry: false",
        "show_bases: false",
        f"members: {shown}",
    )
    return "\n      ".join([f"::: {path}\n    options:", "heading_level: 3", *options]) + "\n"


def _summary(part: type) -> str:
    return " ".join((part.__doc__ or "").split("\n\n")[0].split())
