"""Files that actors on other nodes need, looked for on those that have them only."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rl.cluster.nodes import ClusterNode
from rl.cluster.shared_files import sizes_here
from rl.config.load import load_config
from rl.records.rundir import RunDir
from rl.run.prepare.node_files import check_node_files

NODES = [ClusterNode(id=name, address=f"10.0.0.{i}") for i, name in enumerate(("head", "ranks", "engines"))]
PLACED: Any = SimpleNamespace(nodes=lambda: ({"ranks"}, {"engines"}))


class Cluster:
    """A run directory, a base and code, of which nodes see what ``hidden`` does not keep from them."""

    def __init__(self, folder: Path) -> None:
        self.base, self.code = folder / "base", folder / "mine.py"
        self.base.mkdir()
        (self.base / "config.json").write_text("{}")
        self.code.write_text("def mask(): ...")
        (folder / "runs" / "mine").mkdir(parents=True)
        self.run = RunDir(folder / "runs" / "mine")
        self.run.config.write_text("run: {}")
        self.hidden: dict[str, Path] = {}
        self.asked: dict[str, int] = {}

    def look(self, node: str, paths: Sequence[str]) -> list[int | None]:
        self.asked[node] = len(paths)
        hidden = self.hidden.get(node)
        return [
            None if hidden is not None and hidden in (Path(path), *Path(path).parents) else size
            for path, size in zip(paths, sizes_here(paths), strict=True)
        ]

    def check(self, nodes: Sequence[ClusterNode] = NODES) -> None:
        config = load_config("debug", [f"algorithm.mask={self.code}:mask"])
        check_node_files(config, self.base, self.run, PLACED, nodes=nodes, look=self.look)


def test_each_node_is_asked_for_what_its_actors_need(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.hidden["engines"] = cluster.run.path
    cluster.check()
    assert cluster.asked == {"ranks": 3, "engines": 1}, "the head has no actor, engines write nothing"
    cluster.asked.clear()
    cluster.check(NODES[:1])
    assert cluster.asked == {}, "one node sees what it sees"


@pytest.mark.parametrize(
    ("node", "what", "words"),
    [
        ("ranks", "run", "run.dir: give a directory on storage that all nodes share (node 10.0.0.1: "),
        ("engines", "base", "model: put the base on storage that all nodes share"),
        ("ranks", "code", "mine.py:mask must lie at the same path on every node (node 10.0.0.1: "),
    ],
)
def test_what_a_node_does_not_see_is_named_with_its_field(
    node: str, what: str, words: str, tmp_path: Path
) -> None:
    cluster = Cluster(tmp_path)
    cluster.hidden[node] = {"run": cluster.run.path, "base": cluster.base, "code": cluster.code}[what]
    with pytest.raises(ValueError, match="is not there") as error:
        cluster.check()
    assert words in str(error.value)
