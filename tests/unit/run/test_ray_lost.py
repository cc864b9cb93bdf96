"""A run whose Ray is going says so, and is not taken for one that somebody stopped."""

from types import SimpleNamespace
from typing import Any

import pytest

from rl.cluster.errors import RayLost
from rl.records.rundir import RunDir
from rl.run import train as driver


@pytest.mark.parametrize(
    ("lost", "error"), [("Ray's GCS (pid 17) has ended", RayLost), ("", driver.Interrupted)]
)
def test_a_run_that_stopped_early_says_why(tmp_path, monkeypatch, lost, error):
    monkeypatch.setattr(driver, "_attempts", lambda *_: False)
    monkeypatch.setattr(driver, "ray_lost", lambda: lost)
    nothing: Any = SimpleNamespace(
        references=SimpleNamespace(write=lambda path: None), stop=lambda: None, run=RunDir(tmp_path)
    )
    with pytest.raises(error, match="GCS" if lost else "resume=auto"):
        driver._drive(nothing, nothing, nothing, nothing, lambda text: None, nothing, nothing)
