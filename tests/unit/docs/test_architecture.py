"""``docs/architecture.md`` against the code: rooms and floors are the contract's, names exist."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAME = re.compile(r"`((?:rl|rollout|rewards|curricula|planner|t2rl)(?:\.\w+)+)`")


def test_the_rooms_on_the_page_are_the_layers_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(c["layers"] for c in contracts if c["type"] == "layers" and c["containers"] == ["rl"])
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE, re.MULTILINE)
    floors = [{room for floor, room in rows if int(floor) == n} for n in range(len(layers), 0, -1)]
    assert floors == [set(layer.split(" | ")) for layer in layers]


def test_every_room_of_rl_is_on_the_page() -> None:
    rooms = {path.name for path in (ROOT / "rl").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == set(re.findall(r"^\| \d+ \| `(\w+)` \|", PAGE, re.MULTILINE))


def test_every_name_on_the_page_exists() -> None:
    names = set(NAME.findall(PAGE))
    assert len(names) > 25, "the walk names its functions"
    assert [name for name in sorted(names) if not exists(name)] == []


def test_a_name_that_does_not_exist_is_noticed() -> None:
    assert exists("rollout.types.Prompt")
    assert exists("rl.engines.fleet.EngineFleet.generate")
    assert not exists("rl.engines.fleet.EngineFleet.invent")
    assert not exists("rl.engines.nowhere.EngineFleet")


def exists(name: str) -> bool:
    """True if ``name`` is a module, or something defined in one; reads syntax trees only."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:length])
        file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if file.is_file():
            return _holds(_tree(file), parts[length:])
    return False


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _holds(node: ast.AST, path: list[str]) -> bool:
    if not path:
        return True
    for child in getattr(node, "body", []):
        if path[0] in _names(child):
            return _holds(child, path[1:])
    return False


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.AnnAssign):
        return {ast.unparse(node.target)}
    if isinstance(node, ast.Assign):
        return {ast.unparse(target) for target in node.targets}
    return set()
