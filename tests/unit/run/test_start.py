"""Where a run begins: names, checkpoints, what may differ and what of the curriculum survives."""

import json
from pathlib import Path
from typing import Any

import pytest

from rl.config.errors import ConfigError
from rl.config.load import load_config
from rl.config.schema import Config
from rl.learner.shape import SHAPE_FILE, run_shape
from rl.records.rundir import RunDir
from rl.run.checkpoint import CheckpointStore
from rl.run.fingerprint.config_values import identity_defaults, identity_values
from rl.run.fingerprint.fingerprint import Fingerprint
from rl.run.start import check_fingerprint, choose_start, open_run, stream_changed, warn_about_room
from rl.run.state import RunState

VOCABULARY = {"vocabulary": "aa", "splitting": "bb", "chat_template": "cc"}


def config(runs: Path, *overrides: str) -> Config:
    return load_config("debug", [f"run.dir={runs}", "run.name=mine", *overrides])


def fingerprint(of: Config, **things: dict[str, Any]) -> Fingerprint:
    default = {"data": {"number": 3, "answer": "aa"}, "tokenizer": VOCABULARY, "base": {"weights": "aa"}}
    return Fingerprint(
        things=default | things, settings=identity_values(of), defaults=frozenset(identity_defaults(of))
    )


def trained(runs: Path, *steps: int) -> RunDir:
    """A run with checkpoints, as one that was interrupted."""
    of = config(runs)
    (runs / "base").mkdir(exist_ok=True)
    run = open_run(RunDir(RunDir.free(runs, "mine")), of, fingerprint(of), base=runs / "base")
    run.begin_attempt()
    store = CheckpointStore(run, keep=9)
    for step in steps:
        learner = store.begin(step) / "learner"
        learner.mkdir()
        (learner / SHAPE_FILE).write_text(json.dumps(run_shape(of.learner, of.algorithm, world_size=1)))
        store.commit(step, RunState(version=step))
    run.close()
    return run


def test_the_first_line_says_where_a_run_goes_and_why(tmp_path: Path) -> None:
    first = choose_start(config(tmp_path, "resume=auto"))
    assert first.described("mine") == f"run directory: {tmp_path}/mine" and not first.run.path.exists()
    trained(tmp_path, 2, 4)
    taken = choose_start(config(tmp_path))
    assert (
        taken.described("mine")
        == f"run directory: {tmp_path}/mine-2 (mine is taken; resume=auto goes on with it instead)"
    )
    resumed = choose_start(config(tmp_path, "resume=auto", "run.steps=9"))
    assert resumed.described("mine") == f"run directory: {tmp_path}/mine (going on from step 4)"
    chosen = choose_start(config(tmp_path, f"resume={tmp_path}/mine/checkpoints/step-00000002"))
    assert chosen.checkpoint is not None and chosen.checkpoint.step == 2
    with pytest.raises(ValueError, match="is not a complete checkpoint"):
        choose_start(config(tmp_path, f"resume={tmp_path}/mine/checkpoints/step-00000003"))


def test_a_checkpoint_that_cannot_be_gone_on_from_is_refused_before_any_actor_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained(tmp_path, 4)
    with pytest.raises(ValueError, match=r"run\.steps: 3, but .*step-00000004 has 4 steps"):
        choose_start(config(tmp_path, "resume=auto", "run.steps=3"))
    with pytest.raises(ValueError, match=r"dtype 'float32', this run has 'autocast'.*t2rl export"):
        choose_start(config(tmp_path, "resume=auto", "run.steps=9", "learner.dtype=autocast"))
    with pytest.raises(ValueError, match=r"world_size 1, this run has 2; optimizer 'adamw'"):
        choose_start(
            config(tmp_path, "resume=auto", "run.steps=9", "learner.num_ranks=2", "learner.optimizer=muon")
        )
    other = choose_start(config(tmp_path, "resume=auto", "run.steps=9", "learner.num_ranks=2"))
    assert other.checkpoint is not None and "divided anew: learner.num_ranks 1 to 2" in caplog.text
    assert choose_start(config(tmp_path, "resume=auto", "run.steps=4")).checkpoint is not None, (
        "the export may be missing"
    )


def test_only_what_is_accepted_passes_and_some_things_never_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = trained(tmp_path, 4)
    old = CheckpointStore(run, keep=9).all()[0].fingerprint()

    def resume(*overrides: str, **things: dict[str, Any]) -> None:
        new = config(tmp_path, "resume=auto", *overrides)
        check_fingerprint(old, fingerprint(new, **things), config=new, run=run)

    resume()
    resume("run.steps=99", "cluster.num_cpus=3", "stream.max_staleness=4")
    with pytest.raises(ConfigError, match=r"learner\.lr: was 0\.0004; now 1e-05"):
        resume("learner.lr=1e-5")
    resume("learner.lr=1e-5", "resume.accept=[learner.lr]")
    assert "resume.accept: learner.lr was 0.0004; now 1e-05" in caplog.text
    with pytest.raises(ConfigError, match="data: was 3 rows, answer aa; now 3 rows, answer bb"):
        resume("learner.lr=1e-5", "resume.accept=[learner.lr]", data={"number": 3, "answer": "bb"})
    resume("resume.accept=[tokenizer]", tokenizer={**VOCABULARY, "chat_template": "dd"})
    with pytest.raises(ConfigError, match="the same ids would mean other texts"):
        resume("resume.accept=[tokenizer]", tokenizer={**VOCABULARY, "vocabulary": "dd"})
    resume("resume.accept=[base]", base={"weights": "bb"})
    served = ["learner.lora={push: adapter}", "resume.accept=[base,learner]"]
    with pytest.raises(ConfigError, match="add the adapter to another base"):
        resume(*served, base={"weights": "bb"})
    with pytest.raises(ConfigError, match="'lr' is nothing that a resume compares"):
        resume("resume.accept=[lr]")


def test_other_prompts_or_another_curriculum_begin_anew_and_the_steps_go_on(tmp_path: Path) -> None:
    same, old = config(tmp_path), fingerprint(config(tmp_path))
    assert not stream_changed(old, fingerprint(same)) and not stream_changed(None, fingerprint(same))
    assert stream_changed(old, fingerprint(same, data={"number": 4, "answer": "aa"}))
    assert stream_changed(old, fingerprint(config(tmp_path, "curriculum=knapsack")))
    assert not stream_changed(old, fingerprint(config(tmp_path, "learner.lr=1")))
    state = RunState(
        version=7, curriculum={"a": 1}, statistics={"b": 1}, stream={"tickets": {"next_step": 9}}
    )
    state.totals.rollouts = 5
    state.begin_stream_anew()
    assert (state.version, state.totals.rollouts, state.curriculum, state.statistics, state.stream) == (
        7,
        5,
        {},
        {},
        {},
    )


def test_a_run_of_an_older_version_is_gone_on_with_under_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    of = config(tmp_path)
    check_fingerprint(None, fingerprint(of), config=of, run=RunDir(tmp_path))
    assert "kept no fingerprint: nothing was compared" in caplog.text


def test_a_disk_that_is_too_small_for_the_checkpoints_is_said_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl.run.start.checkpoint_shapes", lambda base: {"a": (1000, 1000), "b": (500_000,)})
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 61_000_000})())
    warn_about_room(RunDir(tmp_path), config(tmp_path, "checkpoint.keep=2"), tmp_path)  # 3 x 18 MB and 6 MB
    assert not caplog.records
    warn_about_room(RunDir(tmp_path), config(tmp_path, "checkpoint.keep=3"), tmp_path)
    assert "4 checkpoints" in caplog.text
