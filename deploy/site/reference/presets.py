"""The reference of presets: each file of configs/, its own comment and the fields that it sets."""

from pathlib import Path
from typing import Any

import yaml

from deploy.site.reference.words import code, prose, table
from rl.config.compose import PACKAGED, config_groups, run_names
from rl.config.explain import plain

PAGE = "reference/presets.md"
_INTRO = """# Presets

A preset is a file that sets fields of one group: `group=preset` on the command line. `A+B` stacks presets
that fill different slots, `~group` takes one out. What comes later wins: `algorithm=dapo
algorithm.mask.clip_high=0.3` changes one number of a preset. A file of your own, in a folder of the group's
name beside your config, comes before ours."""


def pages() -> dict[str, str]:
    """{page: Markdown}."""
    parts = [_INTRO]
    parts.append(
        "## Whole runs { #runs }\n\n"
        + table(("config", "what it is", "its groups"), [_run(name) for name in run_names()])
    )
    for group in sorted(config_groups(PACKAGED)):
        parts += [
            f"## `{group}` {{ #{group} }}\n",
            *(_preset(group, name) for name in sorted(config_groups(PACKAGED)[group])),
        ]
    return {PAGE: "\n".join(parts)}


def preset_places() -> dict[str, tuple[str, str]]:
    """{``group=preset``: (page, anchor)}."""
    return {
        f"{group}={name}": (PAGE, f"{group}-{name}")
        for group, names in config_groups(PACKAGED).items()
        for name in names
    }


def _run(name: str) -> tuple[str, ...]:
    file = PACKAGED / f"{name}.yaml"
    tree = _read(file)
    chosen = [
        f"{group}={preset}"
        for one in tree.get("defaults", [])
        if isinstance(one, dict)
        for group, preset in _groups(one)
    ]
    links = [f"[{code(one)}](#{one.replace('=', '-')})" for one in chosen]
    return code(name), prose(_comment(file)), ", ".join(links)


def _groups(entry: dict[str, str]) -> list[tuple[str, str]]:
    """(group, preset) of an entry of a defaults list, ``override`` and ``/`` taken off."""
    return [(group.removeprefix("override").strip(" /"), preset) for group, preset in entry.items()]


def _preset(group: str, name: str) -> str:
    file = PACKAGED / group / f"{name}.yaml"
    whole_tree = file.read_text(encoding="utf-8").startswith("# @package _global_")
    rows = [
        (code(path), code(value)) for path, value in _leaves(_read(file), "" if whole_tree else f"{group}.")
    ]
    shown = table(("field", "value"), rows) or "Sets nothing: the defaults as they are.\n"
    return f"### `{group}={name}` {{ #{group}-{name} }}\n\n{prose(_comment(file))}\n\n{shown}"


def _read(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8")) or {}


def _comment(file: Path) -> str:
    """The comment at the head of a file, on one line."""
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def _leaves(tree: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    """(dotted field, value as one would write it)."""
    pairs: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            pairs += _leaves(value, f"{prefix}{key}.")
        elif key != "defaults":
            pairs.append((f"{prefix}{key}", plain(value)))
    return pairs
