"""Checkpoints on disk: atomic, newest found, in-flight groups rewound; the lineage of trained groups."""

import json
import os
import time

import pytest

from rl.records.rundir import RunDir
from rl.run.base_files import keep_base_files
from rl.run.checkpoint import CheckpointStore
from rl.run.fingerprint.fingerprint import Fingerprint
from rl.run.lineage import duplicates, read_lineage
from rl.run.state import RunState
from rl.stream.buffer import StreamBuffer
from rl.stream.plans import GroupStatus, make_group_id, new_groups, request_seeds
from rollout.types import Prompt, SamplingConfig
from tests.unit.run.schemas.make import finish

PROMPT = Prompt(id="train/0", text="0", token_ids=(1,), answer="0")


def groups(count: int = 2):
    return new_groups(
        plan_step=3,
        refill_round=0,
        prompts=[PROMPT] * count,
        num_rollouts=[4] * count,
        max_tokens=[8] * count,
        sampling=SamplingConfig(),
        run_seed=0,
    )


def write(store: CheckpointStore, step: int, state: RunState) -> None:
    (store.begin(step) / "learner").mkdir()
    store.commit(step, state)


def test_only_complete_checkpoints_are_found_and_old_ones_go(tmp_path):
    store = CheckpointStore(RunDir(tmp_path), keep=2)
    assert store.latest() is None
    for step in (5, 10, 15):
        write(store, step, RunState(version=step))
    store.begin(20)  # killed before commit
    assert [c.step for c in store.all()] == [10, 15]
    assert store.latest().load_state().version == 15
    (store.begin(20) / "learner").mkdir()  # taken up again after the kill
    store.commit(20, RunState(version=20))
    assert store.latest().step == 20


def test_the_best_one_stays_beside_the_newest(tmp_path):
    scores = {5: 0.2, 10: 0.6, 15: 0.4, 20: None, 25: 0.6}
    store = CheckpointStore(RunDir(tmp_path), keep=1, score=scores.get)
    kept = []
    for step in scores:
        write(store, step, RunState(version=step))
        kept.append([c.step for c in store.all()])
    assert kept == [[5], [5, 10], [10, 15], [10, 20], [10, 25]], "the newest is judged when the next comes"
    assert store.best().step == 25, "of equals the newest"
    assert CheckpointStore(RunDir(tmp_path), keep=1).best() is None


def test_a_score_of_steps_that_the_run_went_back_behind_costs_no_checkpoint(tmp_path):
    scores = {5: 0.5, 10: 0.6}
    store = CheckpointStore(RunDir(tmp_path), keep=1, score=scores.get)
    for step in (5, 10):
        write(store, step, RunState(version=step))
    store.set_aside_after(5)  # resumed from 5: what was 10 is none of this run any more
    write(store, 7, RunState(version=7))
    write(store, 10, RunState(version=10))
    assert [c.step for c in store.all()] == [5, 10], "the .6 is the old 10's"
    scores |= {7: 0.4, 10: 0.3}
    write(store, 15, RunState(version=15))
    assert [c.step for c in store.all()] == [5, 15]


def test_the_newest_whole_one_is_taken_and_the_damaged_one_is_said(tmp_path, caplog):
    store = CheckpointStore(RunDir(tmp_path), keep=1, hours=1)
    for step in (5, 10, 15):
        write(store, step, RunState(version=step))
    first, second, third = store.all()
    (third.path / "state.json").write_text('{"schema"')
    (second.path / "arrays.npz").unlink()
    assert store.latest() == first
    assert "step 15 is damaged and passed over" in caplog.text and "arrays.npz is missing" in caplog.text

    store.set_aside_after(5)
    assert store.latest() == first, "before the new lineage has one of its own"
    write(store, 7, RunState(version=7))
    assert [c.step for c in store.all()] == [5, 7], "the new one is the newest"
    assert {p.name for p in store.directory.glob("left-*")} == {"left-step-00000010", "left-step-00000015"}
    for checkpoint in store.all():
        (checkpoint.path / "state.json").write_text("")
    assert store.latest() is None
    with pytest.raises(ValueError, match=r"all 2 checkpoints .* are damaged.*state\.json.*resume=never"):
        store.require_latest()


def test_a_checkpoint_that_lost_its_manifest_is_damaged_and_one_from_before_there_were_any_is_not(tmp_path):
    store = CheckpointStore(RunDir(tmp_path), keep=2)
    for step in (5, 10):
        write(store, step, RunState(version=step))
    first, second = store.all()
    (second.path / "manifest.json").unlink()
    assert store.latest() == first and "manifest.json is missing" in (second.damage() or "")
    state = json.loads((second.path / "state.json").read_text())
    (second.path / "state.json").write_text(json.dumps(state | {"schema": 1}))
    assert store.latest() == second


def test_young_ones_stay_beside_the_newest(tmp_path):
    store = CheckpointStore(RunDir(tmp_path), keep=1, hours=2)
    for step in (5, 10, 15):
        write(store, step, RunState(version=step))
    assert [c.step for c in store.all()] == [5, 10, 15]
    for checkpoint, hours in zip(store.all(), (3, 1, 0), strict=True):
        written = time.time() - 3600 * hours
        os.utime(checkpoint.path / "state.json", (written, written))
    write(store, 20, RunState(version=20))
    assert [c.step for c in store.all()] == [10, 15, 20]


def test_a_checkpoint_holds_what_the_run_was_when_it_was_written(tmp_path):
    run = RunDir(tmp_path)
    store = CheckpointStore(run, keep=2)
    for step, lr in ((5, 1e-3), (10, 1e-4)):
        Fingerprint(things={}, settings={"learner.lr": lr}).write(run.fingerprint)
        run.config.write_text(f"lr: {lr}")
        (tmp_path / "model").mkdir(exist_ok=True)
        (tmp_path / "model" / "tokenizer.json").write_text(f"tokenizer {step}")
        (tmp_path / "model" / "model.safetensors").write_text("weights")
        keep_base_files(tmp_path / "model", run.base)
        write(store, step, RunState(version=step))
    first, second = store.all()
    assert (first.fingerprint().settings, second.fingerprint().settings) == (
        {"learner.lr": 1e-3},
        {"learner.lr": 1e-4},
    )
    assert [(c.base / "tokenizer.json").read_text() for c in (first, second)] == [
        "tokenizer 5",
        "tokenizer 10",
    ]
    assert (
        not (first.base / "model.safetensors").exists()
        and (first.path / "config.yaml").read_text() == "lr: 0.001"
    )


def test_a_file_damaged_in_one_checkpoint_is_whole_in_every_other_one(tmp_path):
    run = RunDir(tmp_path)
    run.config.write_text("{}")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tokenizer.json").write_text("a tokenizer")
    keep_base_files(tmp_path / "model", run.base)
    store = CheckpointStore(run, keep=2)
    for step in (5, 10):
        write(store, step, RunState(version=step))
    first, second = store.all()
    for file in (path for path in second.path.rglob("*") if path.is_file()):
        with file.open("r+b") as opened:  # in place, as a bad disk does it: no new file under the name
            opened.write(b"?")
        assert first.damage() is None, file
    assert second.damage() is not None


def test_leftovers_of_any_step_go_when_the_next_one_is_begun(tmp_path):
    store = CheckpointStore(RunDir(tmp_path), keep=2)
    store.begin(5)
    store.begin(7)
    assert [p.name for p in store.directory.iterdir()] == ["tmp-step-00000007"]


def test_a_restored_state_has_nothing_in_flight_and_keeps_what_is_finished(tmp_path):
    buffer = StreamBuffer(max_staleness=0)
    buffer.begin_at(3)
    plan = buffer.open()
    buffer.add(3, groups(2))
    plan.groups[0].status, plan.groups[0].issues = GroupStatus.INFLIGHT, 1
    finish(buffer, plan.groups[1])
    store = CheckpointStore(RunDir(tmp_path), keep=1)
    write(store, 3, RunState(version=3, stream=buffer.state_dict()))
    again = StreamBuffer(max_staleness=0)
    again.load_state_dict(store.latest().load_state().stream)
    restored = again.plans[3]
    assert [g.status for g in restored.groups] == [GroupStatus.WAITING, GroupStatus.FINISHED]
    assert restored.groups[0].request == plan.groups[0].request, "a re-issue is the same draw"


def test_group_ids_and_seeds_depend_on_the_plan_alone():
    assert make_group_id(3, 0, 5) == 3 * 2**20 + 5
    ids = {make_group_id(s, r, p) for s in range(4) for r in range(3) for p in range(5)}
    assert len(ids) == 60
    assert request_seeds(0, 7, 3) == request_seeds(0, 7, 3) != request_seeds(1, 7, 3)
    assert request_seeds(0, 7, 5)[:3] == request_seeds(0, 7, 3), (
        "a larger group begins with the smaller one's draws"
    )
    assert len({s for g in range(200) for s in request_seeds(0, g, 16)}) == 3200


def test_prompts_without_rollouts_make_no_group():
    made = new_groups(
        plan_step=0,
        refill_round=1,
        prompts=[PROMPT] * 3,
        num_rollouts=[2, 0, 1],
        max_tokens=[8, 8, 4],
        sampling=SamplingConfig(),
        run_seed=0,
    )
    assert [len(g.request.seeds) for g in made] == [2, 1]
    assert made[1].request.sampling.max_tokens == 4


def test_lineage_drops_what_a_later_attempt_superseded(tmp_path):
    path = tmp_path / "trained_groups.jsonl"
    rows = [
        {"attempt": 1, "restored_step": 0},
        *({"attempt": 1, "step": s, "group_id": 10 * s + g} for s in range(4) for g in range(2)),
        {"attempt": 2, "restored_step": 2},
        *({"attempt": 2, "step": s, "group_id": 10 * s + g} for s in (2, 3, 4) for g in range(2)),
    ]
    path.write_text("\n".join(json.dumps(r) for r in rows) + "\n" + '{"attempt": 2, "st')
    steps = read_lineage(path)
    assert {s: [r["attempt"] for r in rows] for s, rows in steps.items()} == {
        0: [1, 1],
        1: [1, 1],
        2: [2, 2],
        3: [2, 2],
        4: [2, 2],
    }
    assert duplicates(steps) == []
    assert duplicates({0: steps[0], 5: steps[0]}) == [0, 1]


def test_a_checkpoint_takes_the_rows_that_it_stands_on_to_the_disk(tmp_path, monkeypatch):
    """A disk that fails forgets what was only written: the groups that a checkpoint's weights were trained
    on, and evaluations that a resume takes for done."""
    run = RunDir.create(tmp_path, "run")
    (run.eval / "more").mkdir(parents=True)
    rows = [
        run.path / "metrics.jsonl",
        run.path / "trained_groups.jsonl",
        run.eval / "version-00000000.jsonl",
    ]
    rows.append(run.eval / "more" / "version-00000002.jsonl")
    for path in rows:
        path.write_text("{}\n")
    flushed, names = [], {path.stat().st_ino: path for path in rows}
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    write(CheckpointStore(run, keep=2), 2, RunState(version=2))
    assert {names[inode] for inode in flushed if inode in names} == set(rows)
