"""A node's copy of a push that came in parts: made once, and whole or not at all."""

import multiprocessing
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rollout.engine import WeightUpdate
from rollout.weight_buffer import WeightBuffer, plan_layout
from rollout.weight_changes import changes
from rollout.weight_directory import PREFIX
from rollout.weight_node import NodeCopy

SPECS = plan_layout([("a", "float32", (25,)), ("b", "bfloat16", (3, 9))])
Parts = list[tuple[int, np.ndarray]]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.weight_buffer.PART_BYTES", 64)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The run's directory, as it is called on the learner's node."""
    return tmp_path / f"{PREFIX}1-run"


def publication(version: int, run: Path, learner: Path) -> tuple[WeightUpdate, Parts]:
    """What the learner wrote as ``version``, in parts."""
    learner.mkdir(exist_ok=True)
    buffer = WeightBuffer.create(learner / "weights", SPECS)
    for spec in SPECS:
        buffer.write(spec.name, torch.full(spec.shape, float(version)))
    update = WeightUpdate(
        version=version,
        transport="object",
        path=str(run / f"weights-{version % 2}"),
        tensors=SPECS,
        checksum=buffer.checksum(),
        parts=("reference",) * len(buffer.parts()),
    )
    return update, [(i, part.copy()) for i, part in enumerate(buffer.parts())]


def read(update: WeightUpdate) -> float:
    """The value that every tensor of a node's file has; its checksum is right."""
    buffer = WeightBuffer.open(Path(update.path), update.tensors)
    assert buffer.checksum() == update.checksum
    values = {float(x) for _, tensor in buffer.tensors() for x in tensor.reshape(-1)}
    buffer.close()
    return values.pop() if len(values) == 1 else float("nan")


def none_left() -> Iterator[tuple[int, np.ndarray]]:
    raise AssertionError("fetched a second time")
    yield


def test_engines_of_a_node_share_one_copy_and_two_files_take_turns(run: Path, tmp_path: Path) -> None:
    first, second = NodeCopy(run, "node-a"), NodeCopy(run, "node-a")
    files = set()
    for version in range(1, 5):
        update, parts = publication(version, run, tmp_path / "learner")
        local = (first, second)[version % 2].take(update, parts)
        assert (local.transport, local.parts, local.checksum) == ("shm", (), update.checksum)
        assert (first, second)[1 - version % 2].take(update, none_left()) == local
        assert read(local) == version
        files.add(local.path)
    assert len(files) == 2
    elsewhere = NodeCopy(run, "node-b").take(update, parts)
    assert Path(elsewhere.path).parent.name == "node-b" and read(elsewhere) == 4


def changed_from(before: Parts, after: Parts) -> Parts:
    """The bytes for a node that holds ``before``; a part of which most changed travels whole."""
    found = []
    for (index, old), (_, new) in zip(before, after, strict=True):
        news = changes(new, old)
        found.append((index, new if news is None else news))
    return found


def test_a_node_that_holds_the_push_before_takes_what_changed(run: Path, tmp_path: Path) -> None:
    first, parts = publication(1, run, tmp_path / "learner")
    copy = NodeCopy(run, "node-a")
    copy.take(first, parts)
    after = [(i, part.copy()) for i, part in parts]
    after[0][1][:4] = 9  # two words of the first part, and all of the others
    for _, part in after[1:]:
        part[:] = 9
    buffer = WeightBuffer.create(tmp_path / "learner" / "second", SPECS)
    buffer.assemble(after)
    second = replace(
        first,
        version=2,
        path=str(run / "weights-0"),
        checksum=buffer.checksum(),
        changes=("reference",) * len(after),
        since=first.checksum,
    )
    sizes = [part.size for _, part in changed_from(parts, after)]
    assert sizes[0] == 4 + 4 and sizes[1:] == [part.size for _, part in parts[1:]]
    local = copy.take(second, none_left(), changed_from(parts, after))
    held = WeightBuffer.open(Path(local.path), SPECS)
    assert held.checksum() == second.checksum and not local.changes
    held.close()
    # A node without it, and one that holds something else, take the parts.
    elsewhere = NodeCopy(run, "node-b")
    assert Path(elsewhere.take(second, after, none_left()).path).parent.name == "node-b"
    third = replace(second, version=3, path=str(run / "weights-1"), since="another")
    copy.take(third, after, none_left())


def test_a_push_before_that_is_being_written_is_not_waited_for(run: Path, tmp_path: Path) -> None:
    first, parts = publication(1, run, tmp_path / "learner")
    copy, other = NodeCopy(run, "node-a"), NodeCopy(run, "node-a")
    copy.take(first, parts)
    second, news = publication(2, run, tmp_path / "learner")
    second = replace(second, changes=second.parts, since=first.checksum)
    with other._alone("weights-1"):
        assert read(copy.take(second, news, none_left())) == 2


def test_what_an_engine_refused_is_copied_anew(run: Path, tmp_path: Path) -> None:
    update, parts = publication(1, run, tmp_path / "learner")
    wrong = [(i, part ^ 1) for i, part in parts]
    copy = NodeCopy(run, "node-a")
    local = copy.take(update, wrong)
    assert WeightBuffer.open(Path(local.path), SPECS).checksum() != update.checksum
    copy.forget(update)
    assert read(copy.take(update, parts)) == 1


def test_parts_that_stop_coming_leave_no_copy(run: Path, tmp_path: Path) -> None:
    update, parts = publication(1, run, tmp_path / "learner")
    copy = NodeCopy(run, "node-a")

    def lost() -> Iterator[tuple[int, np.ndarray]]:
        yield parts[0]
        raise RuntimeError("the owner died")

    with pytest.raises(RuntimeError, match="the owner died"):
        copy.take(update, lost())
    with pytest.raises(ValueError, match="never came"):
        copy.take(update, parts[:1])
    assert read(copy.take(update, parts)) == 1


def test_the_second_engine_waits_for_the_first(run: Path, tmp_path: Path) -> None:
    update, parts = publication(1, run, tmp_path / "learner")
    begun, go = threading.Event(), threading.Event()

    def slow() -> Iterator[tuple[int, np.ndarray]]:
        begun.set()
        assert go.wait(30)
        yield from parts

    copies = [NodeCopy(run, "node-a"), NodeCopy(run, "node-a")]
    found: list[float] = []
    threads = [
        threading.Thread(target=lambda: found.append(read(copies[0].take(update, slow())))),
        threading.Thread(target=lambda: found.append(read(copies[1].take(update, none_left())))),
    ]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    threads[1].join(0.3)
    assert threads[1].is_alive() and not found
    go.set()
    for thread in threads:
        thread.join(30)
    assert found == [1.0, 1.0]


def _stuck(run: Path, update: WeightUpdate, part: tuple[int, np.ndarray], begun: Any) -> None:
    def parts() -> Iterator[tuple[int, np.ndarray]]:
        yield part
        begun.set()
        threading.Event().wait()

    NodeCopy(run, "node-a").take(update, parts())


def test_an_engine_that_is_killed_while_it_copies_holds_nobody_up(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the other process has parts of the usual size
    update, parts = publication(1, run, tmp_path / "learner")
    wrong = (parts[0][0], parts[0][1] ^ 1)
    spawn = multiprocessing.get_context("spawn")
    begun = spawn.Event()
    process = spawn.Process(target=_stuck, args=(run, update, wrong, begun))
    process.start()
    assert begun.wait(60)
    process.kill()
    process.join()
    copy = NodeCopy(run, "node-a")
    assert read(copy.take(update, parts)) == 1
    copy.close()
    assert not run.exists(), "it was the last one"


def test_a_layout_that_changed_gets_a_new_file(run: Path, tmp_path: Path) -> None:
    update, parts = publication(1, run, tmp_path / "learner")
    copy = NodeCopy(run, "node-a")
    copy.take(update, parts)
    specs = plan_layout([("a", "float32", (4,))])
    buffer = WeightBuffer.create(tmp_path / "learner" / "other", specs)
    buffer.write("a", torch.full((4,), 7.0))
    other = replace(update, version=3, tensors=specs, checksum=buffer.checksum())
    assert read(copy.take(other, list(enumerate(buffer.parts())))) == 7
