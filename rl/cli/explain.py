"""``t2rl config --explain``: what can be set, in a terminal."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from rl.config.explain import Explained, explain, plain
from rl.config.load import explain_sources, preview
from rl.config.roots import root_of
from rl.config.schema import Config


def explain_cli(words: list[str], *, as_json: bool) -> None:
    """Print the fields that ``words`` ask for; with a config (and overrides) among them also its values.

    Raises:
        ConfigError: There is no such config, field or preset.
    """
    name, overrides, targets = _sorted_out(words)
    root: Any = root_of(name) if name else Config
    values, set_by = _values(root, name, overrides) if name else ({}, {})
    items = [item for target in targets or [""] for item in explain(root, target)]
    if as_json:
        rows = [
            asdict(item)
            | ({"value": values[item.path]} if item.path in values else {})
            | _set_by(item, set_by)
            for item in items
        ]
        print(json.dumps(rows, indent=1))
        return
    console = Console(highlight=False)
    for item in items:
        _show(console, item, values, set_by)
    if not name:
        console.print(
            "\n[dim]t2rl config NAME --explain SECTION adds the values of a config, and what set each[/]"
        )


def _sorted_out(words: list[str]) -> tuple[str, list[str], list[str]]:
    """(config, overrides, targets)."""
    from rl.config.compose import run_names

    overrides = [word for word in words if "=" in word or word.startswith("~")]
    rest = [word for word in words if word not in overrides]
    is_config = bool(rest) and (rest[0] in run_names() or Path(rest[0]).suffix in (".yaml", ".yml"))
    return (rest[0], overrides, rest[1:]) if is_config else ("", overrides, rest)


def _values(root: Any, name: str, overrides: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Dotted field -> value, and -> what set it."""
    import yaml

    text, _ = preview(root, name, overrides)
    values: dict[str, Any] = {}

    def walk(tree: dict[str, Any], prefix: str) -> None:
        for key, value in tree.items():
            values[f"{prefix}{key}"] = value
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")

    walk(yaml.safe_load(text), "")
    return values, explain_sources(root, name, overrides)


def _set_by(item: Explained, set_by: dict[str, str]) -> dict[str, str]:
    return {"set_by": set_by[item.path]} if item.path in set_by else {}


def _show(console: Console, item: Explained, values: dict[str, Any], set_by: dict[str, str]) -> None:
    """A head line, and the docstring indented below it."""
    head = Text(item.path, style="bold")
    is_section = item.kind.startswith("section")
    if is_section:
        head = Text(f"\n{item.path}", style="bold underline")
        head.append(
            f"   {item.kind.removeprefix('section, ')}" if item.kind != "section" else "",
            style="not underline dim",
        )
    else:
        head.append(f"   {item.kind}", style="not bold cyan")
        head.append(
            f"   default {item.default}" if item.default != "required" else "   required",
            style="not bold dim",
        )
        if item.read_by:
            head.append(f"   with {'|'.join(item.read_by)}", style="not bold")
        if item.path in set_by and item.path in values:
            head.append(f"   here {plain(values[item.path])} ({set_by[item.path]})", style="not bold green")
    console.print(head)
    if item.text:
        console.print(Padding(Text(item.text.replace("``", "")), (0, 0, 0, 4)))
    if item.choices:
        label = "presets" if is_section else "choices"
        console.print(Padding(Text(f"{label}: {', '.join(item.choices)}", style="dim"), (0, 0, 0, 4)))
