"""Nothing is read in a way that runs code: no pickles, no unsafe YAML, remote code only where asked for."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.project.imports import ROOT

FOLDERS = ("t2rl", "rl", "rollout", "rewards", "curricula", "planner", "benchmarks", "deploy", "examples")
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
JUSTIFIED = {
    "rl/learner/shard_files.py": "names pickle's error; reads with weights_only",
    "benchmarks/lib/record.py": "writes only",
    "benchmarks/speed/controller.py": "reads what it wrote a moment before, in its own memory",
    "benchmarks/speed/learner.py": "reads what its own child wrote in a fresh temporary directory",
}
UNSAFE_YAML = {"load", "load_all", "unsafe_load", "unsafe_load_all", "full_load", "full_load_all"}


def found(tree: ast.AST) -> Iterator[str]:
    """Everything in a module that may run code out of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {a.name}" for a in node.names if a.name.partition(".")[0] in MODULES)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield f"from {node.module}"
        if isinstance(node, ast.Call):
            yield from _call(node)


def _call(node: ast.Call) -> Iterator[str]:
    name, words = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
    if name == "torch.load" and words.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if name in ("np.load", "numpy.load") and words.get("allow_pickle", "False") != "False":
        yield "np.load with pickles"
    if name.startswith("yaml.") and name.removeprefix("yaml.") in UNSAFE_YAML:
        yield name
    if words.get("trust_remote_code") == "True":
        yield "remote code that nobody asked for"
    if name in ("pd.read_pickle", "pandas.read_pickle"):
        yield name


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from dill import loads",
        "import cloudpickle.pickle",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "np.load(p, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "AutoModel.from_pretrained(p, trust_remote_code=True)",
    ],
)
def test_the_search_finds(text: str) -> None:
    assert list(found(ast.parse(text)))


def test_nothing_that_is_read_can_run_code() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 400
    places = {name(path): list(found(ast.parse(path.read_text(encoding="utf-8")))) for path in files}
    assert {place: what for place, what in places.items() if what and place not in JUSTIFIED} == {}
    assert {place for place in JUSTIFIED if not places[place]} == set(), "justified without need"


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))
