"""No module needs itself: no circle of imports, also not through TYPE_CHECKING or inside functions."""

import ast
from collections.abc import Mapping

from tests.unit.project.imports import PACKAGES, ROOT


def imports() -> dict[str, set[str]]:
    """Module -> the modules of ours that its file imports, wherever in the file."""
    files = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            files[name.removesuffix(".__init__")] = path
    edges: dict[str, set[str]] = {name: set() for name in files}
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found = {f"{node.module}.{alias.name}" for alias in node.names}
                edges[name] |= {full if full in files else node.module for full in found}
            elif isinstance(node, ast.Import):
                edges[name] |= {alias.name for alias in node.names}
        edges[name] = (edges[name] & files.keys()) - {name}
    return edges


def circles(edges: Mapping[str, set[str]]) -> set[str]:
    """What is left when modules that import nothing, or that nothing imports, are taken away again and
    again."""
    left = {name: set(targets) for name, targets in edges.items()}
    while True:
        imported = set().union(*left.values()) if left else set()
        kept = {name for name, targets in left.items() if targets and name in imported}
        if kept == left.keys():
            return kept
        left = {name: left[name] & kept for name in kept}


def test_no_module_imports_itself_over_others() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {"b", "c"}
    edges = imports()
    assert len(edges) > 300 and "rl.config.tree" in edges["rl.config.schema"]
    assert circles(edges) == set()
