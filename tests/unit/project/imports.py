"""Third-party modules that the repository imports, read from its syntax trees, inside functions too."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("t2rl", "rl", "rollout", "rewards", "curricula", "planner", "configs")
BESIDE = ("benchmarks", "deploy", "examples", "tests")
BY_NAME = {"import_module", "importorskip"}  # functions whose first argument is a module's name
# Imported, and not declared.
BY_HAND = {
    "atheris": "benchmarks/conformance/fuzz_maths_atheris.py says how to install it: few have a wheel",
    "mlflow": "`tracker=mlflow`: docs/trackers.md says how to install it",
    "tensordict": "benchmarks/speed/stream.py, which says how to install it: TransferQueue's arguments",
    "transfer_queue": "benchmarks/speed/stream.py, which says how to install it: compared with, not taken",
    "trackio": "`tracker=trackio`: docs/trackers.md says how to install it",
}


def normal(distribution: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


@cache
def project() -> dict:
    """The table ``project`` of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared(*extras: str) -> set[str]:
    """Normal names of the declared dependencies, or of those of the extras (``t2rl[docs]``: of that one)."""
    lists = [project()["optional-dependencies"][extra] for extra in extras] or [project()["dependencies"]]
    names: set[str] = set()
    for line in (line for lines in lists for line in lines):
        ours = re.fullmatch(rf"{project()['name']}\[(.+)\]", line)
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        names |= declared(*ours[1].split(",")) if ours else {normal(name)}
    return names


def modules_of(source: str) -> Iterator[str]:
    """Yield the top-level names of all modules that a file imports absolutely, our own included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = getattr(node.args[0], "value", None)
            if called in BY_NAME and isinstance(first, str):
                yield first.partition(".")[0]


@cache
def installed() -> dict[str, set[str]]:
    """{module: normal names of the installed distributions that hold it}."""
    return {module: {normal(name) for name in names} for module, names in packages_distributions().items()}


@cache
def imports_of(folder: str) -> dict[str, Path]:
    """{module: one file below the folder that imports it}."""
    found: dict[str, Path] = {}
    for file in sorted((ROOT / folder).rglob("*.py")):
        for module in modules_of(file.read_text()):
            found.setdefault(module, file)
    return found


@cache
def helpers() -> set[str]:
    """Return the names of our files and folders: tests and benchmarks import neighbours by bare names."""
    return {path.stem for folder in (*PACKAGES, *BESIDE) for path in (ROOT / folder).rglob("*")}


def third_party(*folders: str) -> dict[str, Path]:
    """Return {module: one file below the folders that imports it}, without the standard library and our own.

    A bare name is a helper of ours only if no distribution has it, installed or in ``BY_HAND``, so that a
    helper called like a library does not hide the library.
    """
    found = {module: file for folder in reversed(folders) for module, file in imports_of(folder).items()}
    own = {*sys.stdlib_module_names, *PACKAGES, *BESIDE, *(helpers() - set(installed()) - set(BY_HAND))}
    return {module: file for module, file in found.items() if module not in own}
