"""A node that does not see a file as the driver does is named, with the field that puts it right."""

from collections.abc import Sequence
from pathlib import Path

from rl.cluster.shared_files import Needed, files_in, problem_on, sizes_here


def needed(folder: Path, fix: str = "run.dir: share it") -> Needed:
    return Needed(files=files_in(folder), who="ranks write there", fix=fix)


def test_what_is_there_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    asked: list[str] = []

    def look(node: str, paths: Sequence[str]) -> list[int | None]:
        asked.append(node)
        return sizes_here(paths)

    assert problem_on("n1", [needed(tmp_path)], name="10.0.0.1", look=look) is None
    assert asked == ["n1"], "one question for all files"
    assert problem_on("n1", [], name="10.0.0.1", look=look) is None and asked == ["n1"]


def test_what_is_missing_or_another_names_field_node_and_file(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("{}")
    missing = problem_on("n1", [needed(tmp_path)], name="10.0.0.1", look=lambda node, paths: [None])
    assert missing == f"run.dir: share it (node 10.0.0.1: {file} is not there; ranks write there)"
    other = problem_on("n1", [needed(tmp_path)], name="10.0.0.1", look=lambda node, paths: [7])
    assert other is not None and f"{file} has 7 bytes there, 2 here" in other
