"""Pairs that an attempt sampled before it came to a checkpoint."""

from pathlib import Path

import pytest

from rl.config.errors import ConfigError
from rl.config.load import load_as
from rl.config.stages import DpoConfig
from rl.records.phases import Phases
from rl.records.rundir import RunDir
from rl.run.fingerprint.fingerprint import FILE, Fingerprint
from rl.stages import run as stage


def test_those_of_another_base_are_not_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_as(DpoConfig, "dpo_quickstart", [f"run.dir={tmp_path}", "resume=auto"])
    planned = RunDir(tmp_path / "dpo")
    planned.path.mkdir()
    (planned.path / stage.PAIRS).write_text("{}\n")
    Fingerprint(things={"base": {"weights": "aa"}}, settings={}).write(planned.path / FILE)
    now = Fingerprint(things={"base": {"weights": "bb"}}, settings={})
    monkeypatch.setattr(stage, "stage_fingerprint", lambda *_, **__: now)
    begun = stage._Stage(config, stage.StageStart(planned), tmp_path, None, Phases())
    with pytest.raises(ConfigError, match="base: was weights aa; now weights bb"):
        begun.run(lambda _: {}, (), source=None)
    assert not planned.attempts.exists() and (planned.path / stage.PAIRS).exists()
