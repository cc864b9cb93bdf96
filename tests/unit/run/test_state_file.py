"""The controller's state as data: exact, of a named schema, and never a way for a stranger to run code."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curricula import stack
from planner import planner
from rl.records.rundir import RunDir
from rl.run import state_file
from rl.run.checkpoint import Checkpoint, CheckpointStore
from rl.run.state import RunState
from rl.run.state_file import ARRAYS, MIGRATIONS, PICKLE, SCHEMA, STATE, read_document, write_document
from rl.stream.buffer import StreamBuffer
from rl.stream.plans import GroupStatus
from rl.stream.saved import SavedGroup
from rl.stream.tickets import Tickets
from rollout import statistics
from rollout.types import (
    RolloutGroup,
)
from tests.unit.run.schemas import make
from tests.unit.run.state_values import KEYS, PLAIN, facts, same, through_files

SCHEMAS = Path(make.__file__).parent
ADVICE = "raise SCHEMA, add to MIGRATIONS, run schemas/make.py"


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(KEYS, PLAIN, max_size=4))
def test_plain_values_and_arrays_come_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, document: dict[Any, Any]
) -> None:
    assert same(through_files(document, tmp_path_factory.mktemp("state")), document)


def test_the_comparison_sees_what_it_must() -> None:
    for one, other in [
        ((1,), [1]),
        (1, 1.0),
        (True, 1),
        (0.0, -0.0),
        (np.float64(1), 1.0),
        ({1: 2}, {"1": 2}),
    ]:
        assert not same(one, other)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"parts": {"sampler": {1, 2}}}, r"state\.parts\.sampler is a set, which a checkpoint cannot hold"),
        ([GroupStatus.WAITING], r"state\.0|GroupStatus"),
        (np.array([None]), "ndarray"),
    ],
)
def test_what_is_no_data_is_refused_by_its_place(tmp_path: Path, value: Any, words: str) -> None:
    document = value if isinstance(value, dict) else {"0": value}
    with pytest.raises(ValueError, match=words):
        write_document(tmp_path, document)


# -- schemas ---------------------------------------------------------------------------------------------


def fixture(schema: int, tmp_path: Path) -> Checkpoint:
    directory = tmp_path / "checkpoints" / "step-00000001"
    shutil.copytree(SCHEMAS / str(schema), directory)
    return Checkpoint(directory, 1)


@pytest.mark.parametrize("schema", range(1, SCHEMA + 1))
def test_a_checkpoint_of_every_schema_is_gone_on_from(schema: int, tmp_path: Path) -> None:
    state = fixture(schema, tmp_path).load_state()
    assert (state.version, state.totals.rollouts, state.totals.train_s) == (1, 6, 0.1 + 0.2)
    parts = make.Parts()
    parts.restore(state)
    plan = parts.buffer.plans[1]
    finished, unjudged, away = plan.groups
    assert (away.status, away.issues, away.group) == (GroupStatus.WAITING, 2, None), "drawn again"
    assert finished.group is not None and unjudged.group is not None
    assert finished.kept and finished.indices == (1, 0) and not unjudged.kept and unjudged.reason == "alone"
    assert [r.result.reason for r in unjudged.group.unjudged] == ["timeout"]
    right, wrong = finished.group.rollouts
    expected = make.rollout(1)
    assert same(facts(wrong), facts(expected)) and right.completion.token_ids.tolist() == [5, 6, 7]
    assert finished.group.answers[0].group_id == 1 << 61
    assert finished.group.prompt.metadata == {"terms": [0, 1], "carry": None, "scale": 0.1}
    assert parts.statistics.num_rows == 3 and parts.buffer.next_step == 3
    # The run goes on to its end.
    for waiting in (away, *parts.buffer.plans[2].groups):
        make.finish(parts.buffer, waiting)
    for step in (1, 2):
        parts.train(parts.buffer.plans[step])
    assert parts.buffer.can_open(confirmed_version=3)
    parts.train(_finished(parts))
    assert parts.statistics.num_rows > 3


def _finished(parts: make.Parts) -> Any:
    plan = parts.draw()
    for group in plan.groups:
        make.finish(parts.buffer, group)
    return plan


def test_a_change_of_the_form_needs_a_new_schema(tmp_path: Path) -> None:
    """What is written today is what the newest schema holds; otherwise a file of today could not be told
    from one of before."""
    versions = {
        "tickets": Tickets(0).state_dict()["version"],
        "statistics": statistics.STATE_VERSION,
        "curriculum": stack.STATE_VERSION,
        "planner": planner.STATE_VERSION,
    }
    assert versions == state_file.PART_VERSIONS, ADVICE
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA))
    (tmp_path / "new").mkdir()
    write_document(tmp_path / "new", make.make().document())
    old, new = (json.loads((d / STATE).read_text()) for d in (SCHEMAS / str(SCHEMA), tmp_path / "new"))
    assert old["state"]["stream"] == new["state"]["stream"], ADVICE
    assert old["state"].keys() == new["state"].keys() and old["state"]["totals"] == new["state"]["totals"]


def test_migrations_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(document: dict[str, Any]) -> dict[str, Any]:
        version = document.pop("version")
        return {**document, "step": version}

    def counted(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "step": document["step"] + 10}

    checkpoint = fixture(1, tmp_path)
    monkeypatch.setattr(state_file, "SCHEMA", 3)
    monkeypatch.setattr(state_file, "MIGRATIONS", {1: renamed, 2: counted})
    document = read_document(checkpoint.path)
    assert document["step"] == 11 and "version" not in document
    write_document(checkpoint.path, document)
    assert read_document(checkpoint.path)["step"] == 11, "a document of today is left alone"


def test_a_later_schema_is_refused_and_both_versions_are_named(tmp_path: Path) -> None:
    checkpoint = fixture(SCHEMA, tmp_path)
    head = json.loads((checkpoint.path / STATE).read_text())
    head |= {"schema": SCHEMA + 4, "written_by": "7.1.0"}
    (checkpoint.path / STATE).write_text(json.dumps(head))
    words = (
        rf"schema {SCHEMA + 4}, written by T2RL 7\.1\.0.* that it reads is {SCHEMA}\. Go on with T2RL 7\.1"
    )
    with pytest.raises(ValueError, match=words):
        checkpoint.load_state()


# -- what strangers give ---------------------------------------------------------------------------------


class Bomb:
    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return exploded.append, ("ran",)


exploded: list[str] = []


def test_a_pickle_of_an_old_run_is_refused_and_never_read(tmp_path: Path) -> None:
    directory = tmp_path / "checkpoints" / "step-00000004"
    directory.mkdir(parents=True)
    (directory / PICKLE).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(
        ValueError, match=r"state\.pkl is a pickle of T2RL 0\.1\.0.*t2rl export .*model\.path"
    ):
        Checkpoint(directory, 4).load_state()
    assert exploded == []
    (directory / PICKLE).unlink()
    with pytest.raises(ValueError, match="is not a checkpoint of T2RL, or a part of it was removed"):
        Checkpoint(directory, 4).load_state()


def test_a_pickle_among_the_arrays_is_never_read(tmp_path: Path) -> None:
    checkpoint = fixture(SCHEMA, tmp_path)
    with np.load(checkpoint.path / ARRAYS) as arrays:
        held = dict(arrays)
    held["0"] = np.array([Bomb()])
    np.savez(checkpoint.path / ARRAYS, **held)
    with pytest.raises(ValueError, match="damaged or was not written by T2RL"):
        checkpoint.load_state()
    assert exploded == []


def _group(head: dict[str, Any]) -> dict[str, Any]:
    group: dict[str, Any] = head["state"]["stream"]["plans"][0]["groups"][0]
    return group


TAMPERED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no schema": lambda head: head.pop("schema"),
    "schema of another kind": lambda head: head.update(schema="1"),
    "schema 0": lambda head: head.update(schema=0),
    "no state": lambda head: head.pop("state"),
    "state of another kind": lambda head: head.update(state=[1]),
    "a field is missing": lambda head: head["state"].pop("totals"),
    "a field too many": lambda head: head["state"].update(more=1),
    "a count that is text": lambda head: head["state"]["totals"].update(rollouts="6"),
    "an array that is not there": lambda head: head["state"].update(stream={"__array__": "999"}),
    "an array by no name": lambda head: head["state"].update(stream={"__array__": [1]}),
    "no such status": lambda head: _group(head).update(status="lost"),
    "a finished group without rollouts": lambda head: _group(head).update(group=None),
    "other lengths": lambda head: _group(head)["group"]["rollouts"]["lengths"].append(2),
    "no such reason": lambda head: _group(head)["group"]["rollouts"].update(finish_reasons=["x", "stop"]),
    "one tag": lambda head: _group(head)["prompt"]["thinking_tags"].pop(),
    "tokens that are text": lambda head: _group(head)["prompt"].update(token_ids=["1"]),
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_a_changed_file_is_refused_with_words(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    checkpoint = fixture(SCHEMA, tmp_path)
    head = json.loads((checkpoint.path / STATE).read_text())
    change(head)
    (checkpoint.path / STATE).write_text(json.dumps(head))
    with pytest.raises(
        ValueError, match=r"state\.json or arrays\.npz beside it is damaged or was not written"
    ):
        checkpoint.load_state()


@pytest.mark.parametrize("name", [STATE, ARRAYS])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_torn_file_is_refused_with_words(tmp_path: Path, name: str, share: float) -> None:
    checkpoint = fixture(SCHEMA, tmp_path)
    path = checkpoint.path / name
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match="damaged or was not written by T2RL"):
        checkpoint.load_state()


def test_a_flipped_byte_of_any_array_is_seen(tmp_path: Path) -> None:
    checkpoint = fixture(SCHEMA, tmp_path)
    path = checkpoint.path / ARRAYS
    whole = path.read_bytes()
    place = whole.index(np.float64(0.5).tobytes())
    path.write_bytes(whole[:place] + b"\x01" + whole[place + 1 :])
    with pytest.raises(ValueError, match="damaged or was not written by T2RL"):
        checkpoint.load_state()


def test_a_checkpoint_is_written_and_read_without_pickle(tmp_path: Path) -> None:
    store = CheckpointStore(RunDir(tmp_path), keep=1)
    (store.begin(3) / "learner").mkdir()
    store.commit(3, make.make())
    latest = store.latest()
    assert latest is not None and not (latest.path / PICKLE).exists()
    assert latest.load_state().document().keys() == make.make().document().keys()
    assert same(latest.load_state().document(), make.make().document())
    buffer = StreamBuffer(max_staleness=1)
    buffer.load_state_dict(latest.load_state().stream)
    restored = buffer.state_dict()
    buffer.load_state_dict(restored)
    assert same(restored, buffer.state_dict())


def test_an_empty_group_has_a_form_too() -> None:
    group = RolloutGroup(
        group_id=1,
        plan_step=0,
        prompt=make.PROMPTS[0],
        sampling=make.SAMPLING,
        rollouts=(),
    )
    assert same(facts(SavedGroup.of(group).group()), facts(group))


def test_a_run_that_begins_anew_writes_no_stream() -> None:
    state = make.make()
    state.begin_stream_anew()
    assert RunState.of_document(state.document()).stream == {}
