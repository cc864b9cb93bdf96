"""Files of a user that are called like packages of ours break nothing, on PYTHONPATH or off it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rl.cluster.ray_runtime import _own_code_first
from t2rl.own_code import PACKAGES, ROOT, hides_our_code


def test_the_list_of_our_packages_is_whole() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {
        "t2rl",
        "tests",
        "examples",
        "benchmarks",
    }
    assert found == set(PACKAGES)


@pytest.mark.parametrize("path", [None, "."])
def test_the_command_finds_our_packages_where_the_user_has_files_of_their_names(
    path: str | None, tmp_path: Path
) -> None:
    for name in PACKAGES:
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a file of the user was imported')\n")
    (tmp_path / "configs.py").unlink()
    (tmp_path / "configs").mkdir()
    assert hides_our_code(tmp_path) and not hides_our_code(ROOT)
    # As the installed script does: its folder, and not the working directory, is in front; PYTHONPATH comes
    # next.
    code = "import sys; sys.argv = ['t2rl', 'config', 'debug']; import t2rl; t2rl.main()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*([path] if path else []), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "prompts_per_step" in done.stdout


def test_workers_of_ray_get_our_folder_in_front_of_the_drivers() -> None:
    job = _own_code_first()
    job._py_driver_sys_path.append("/somewhere/of/the/users")
    job._serialize()
    # inserted one by one, so the last is the first
    assert job._py_driver_sys_path == ["/somewhere/of/the/users", str(ROOT)]
