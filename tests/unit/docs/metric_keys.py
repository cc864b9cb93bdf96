"""Metric keys: those that the source can write, and those that docs/metrics.md explains."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "metrics.md"
FAMILIES = (
    "advisory|buffer|cost|critic|curriculum|dpo|eval|learner|loss|planner|references|"
    "reward|reward_actors|reward_model|rollout|sft|sync|system|time|turns"
)
KEY = re.compile(rf"(?:{FAMILIES})/[A-Za-z0-9_{{}}./]+")
OF_PARTS = {
    "metrics",
    "describe",
    "allocate",
    "figures",
    "effective_ratios",
    "difficulty_buckets",
    "_make_plan",
    "_metrics",
}
"""Functions of ``curricula`` whose dictionaries are metrics, without their ``curriculum/``."""
NO_METRIC = re.compile(r"\.py$|[_/]$")
"""File names, and the beginning of a key that goes on with a variable."""


@cache
def written() -> frozenset[str]:
    """Keys in the source, each variable part as NAME."""
    found: set[str] = set()
    for package in ("rl", "rollout", "rewards", "planner"):
        for file in (ROOT / package).rglob("*.py"):
            for text in _strings(ast.parse(file.read_text(encoding="utf-8"))):
                if KEY.fullmatch(text) and not NO_METRIC.search(text):
                    found.add(text)
    for file in (ROOT / "curricula").rglob("*.py"):
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and function.name in OF_PARTS:
                found |= {
                    f"curriculum/{key}"
                    for key in _dictionary_keys(function)
                    if not key.startswith("curriculum/")
                }
    return frozenset(found)


def documented() -> set[str]:
    """Keys in the first column of the page's tables; several in one cell have commas between."""
    rows = [
        line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    return {key for cell in rows for key in re.findall(r"`([^`]+)`", cell)}


def is_documented(key: str, page: set[str]) -> bool:
    """True if the page has the key, or a pattern with NAME that it fits."""
    return key in page or any(_fits(entry).fullmatch(key) for entry in page if "NAME" in entry)


@cache
def _fits(entry: str) -> re.Pattern[str]:
    return re.compile(re.escape(entry).replace("NAME", ".+"))


def _strings(tree: ast.AST) -> Iterator[str]:
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield _pattern(node)


def _dictionary_keys(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        keys = (
            node.keys if isinstance(node, ast.Dict) else [node.key] if isinstance(node, ast.DictComp) else []
        )
        for key in keys:
            if isinstance(key, ast.JoinedStr):
                yield _pattern(key)
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value


def _pattern(node: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "NAME" for part in node.values)
