"""``t2rl rewards list``: what there is, read from the sources, because importing every reward would take
seconds."""

import ast
import importlib.util
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rewards import REWARDS


def list_rewards(*, as_json: bool) -> None:
    """Print every name with its import path and the first line of its documentation."""
    rows = [{"name": name, "path": target, "about": first_line(target)} for name, target in REWARDS.items()]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(f"[bold]{row['name']}[/]", row["about"].replace("[", r"\["))
    Console().print(table)


def first_line(target: str) -> str:
    """Return the first line of the documentation of ``module:attr``, or of the module if that has none."""
    module, _, attr = target.partition(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None, (
        f"rewards.REWARDS names {module}, which does not exist"
    )
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    nodes = [
        node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attr
    ]
    text = (ast.get_docstring(nodes[0]) if nodes else None) or ast.get_docstring(tree) or ""
    return text.split("\n\n", 1)[0].replace("\n", " ").replace("``", "")
