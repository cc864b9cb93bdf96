"""The desk: flags in the row, lines on the screen, rows in the file; and a step that does not end."""

import asyncio
import json
from pathlib import Path

import numpy as np

from rl.records.advisories import HEALTHY, WINDOW, HeldOut
from rl.records.advisories.held_out import by_suite, highest_before
from rl.records.jsonl import JsonlWriter, read_jsonl
from rl.run.advice import FEWEST, AdviceDesk, NewEvaluations, held_out, loop_waits, with_suites
from rl.stream.waits import as_loop, waiting
from rl.views.evaluations import Counts, by_version, evaluation_files, read_counts
from rollout.types import SamplingConfig

BROKEN = {**HEALTHY, "learner/applied": 0.0}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_advice_goes_into_the_row_onto_the_screen_and_into_the_file(tmp_path: Path) -> None:
    notes: list[str] = []
    path = tmp_path / "advisories.jsonl"
    desk = AdviceDesk(rows=JsonlWriter(path, attempt=2, restored_step=4), note=notes.append)
    assert desk.step(4, HEALTHY) == {}
    assert desk.step(5, BROKEN) == {"advisory/broken_numbers": 1.0}
    desk.close()
    (line,) = notes
    assert line.startswith("step 5: broken_numbers: a non-finite gradient was refused")
    assert line.endswith("[learner.lr, learner.grad_clip, learner.dtype]")
    _, row = read_jsonl(path)
    assert {"attempt", "step", "time", "name", "about", "severity", "text", "cause", "fix", "knob"} == set(
        row
    )
    assert (row["attempt"], row["step"], row["about"]) == (2, 5, "objective")


def ran(clock: Clock, notes: list[str], *, steps: int = FEWEST + 1) -> AdviceDesk:
    waits = {"rollouts": "engine 1 to finish group 9"}
    desk = AdviceDesk(note=notes.append, clock=clock, waits=lambda: waits)
    for step in range(steps):
        desk.step(step, HEALTHY)
        clock.now += 4.0
    return desk


def test_a_stall_is_said_while_it_lasts_and_once() -> None:
    clock, notes = Clock(), list[str]()
    desk = ran(clock, notes)
    clock.now += 19.0
    desk.look()
    assert notes == []
    clock.now += 2.0
    desk.look()
    desk.look()
    (line,) = notes
    assert line.startswith(f"step {FEWEST + 1}: stalled: no step has ended for 25 s")
    assert "rollouts waits for engine 1 to finish group 9" in line and "an engine hangs" in line


def test_before_there_is_a_median_nothing_is_late() -> None:
    clock, notes = Clock(), list[str]()
    desk = ran(clock, notes, steps=FEWEST)
    clock.now += 1000.0
    desk.look()
    assert notes == []


def test_an_evaluation_is_no_stall() -> None:
    clock, notes = Clock(), list[str]()
    desk = ran(clock, notes)

    async def evaluate(version: int) -> None:
        clock.now += 500.0
        desk.look()

    asyncio.run(desk.paused(evaluate)(4))
    desk.look()
    assert notes == []
    clock.now += 30.0
    desk.look()
    assert len(notes) == 1


def test_the_loop_looks_by_itself() -> None:
    clock, notes = Clock(), list[str]()
    desk = ran(clock, notes)
    clock.now += 100.0

    async def watched() -> None:
        task = asyncio.create_task(desk.watch())
        while not notes:
            await asyncio.sleep(0.02)
        task.cancel()

    asyncio.run(watched())
    assert "stalled" in notes[0]


def test_a_resumed_run_knows_what_was_normal(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("run: {name: mine}\n")
    rows: list[dict[str, float]] = [{"attempt": 1, "restored_step": 0}]
    rows += [{"attempt": 1, "step": i, **HEALTHY} for i in range(8)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    notes: list[str] = []
    writer = JsonlWriter(tmp_path / "advisories.jsonl", attempt=2, restored_step=6)
    desk = AdviceDesk.of_run(tmp_path, rows=writer, note=notes.append, settings={}, own=(), restored_step=6)
    low = {**HEALTHY, "loss/entropy": 0.1}
    for step in range(6, 6 + WINDOW):
        desk.step(step, low)
    desk.close()
    assert len(notes) == 1 and "entropy fell to 0.100 nats a token from 1.000" in notes[0]


def test_evaluations_are_read_at_their_first_temperature_by_version() -> None:
    rows = [
        {"id": "a", "category": "sums", "n": 4, "c": 1},
        {"id": "b", "category": "sums", "n": 0, "c": 0},
    ]
    greedy = [{"id": "a", "category": "sums", "n": 1, "c": 1}]
    counts = [
        Counts(version=3, sampling=SamplingConfig(temperature=1.0), rows=rows),
        Counts(version=3, sampling=SamplingConfig(temperature=0.0), rows=greedy),
    ]
    (one,) = held_out(counts)
    assert (one.version, dict(one.rates), dict(one.categories)) == (3, {"a": 0.25}, {"a": "sums"})


def test_the_waits_of_loops_are_those_that_must_end() -> None:
    with (
        as_loop("batches"),
        waiting("plan 3: 5 of 8 groups", limit_s=60),
        as_loop("saver"),
        waiting("a checkpoint that cannot be written"),
        as_loop("learner"),
    ):
        assert loop_waits() == {"batches": "plan 3: 5 of 8 groups"}


def write_counts(folder: Path, version: int, rates: dict[str, float]) -> None:
    folder.mkdir(exist_ok=True)
    rows = [
        {"version": version, "temperature": 1.0, "id": name, "n": 4, "c": int(4 * rate)}
        for name, rate in rates.items()
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"version-{version:08d}.jsonl").write_text(text)


def test_of_many_evaluations_those_that_rules_look_at_are_kept(tmp_path: Path) -> None:
    evaluations, told = NewEvaluations(tmp_path), dict[int, list[int]]()
    for version, rate in enumerate([0.25, 0.75, 1.0, 0.5, 1.0, 0.25, 0.5]):
        write_counts(tmp_path, version, {"a": rate, "b": rate})
        if version in (3, 5):
            write_counts(tmp_path / "asks", version, {"q": rate})
        told[version] = [one.version for one in evaluations() or []]
        assert evaluations() is None, "no new one"
    assert told == {
        0: [0],
        1: [0, 1],
        2: [0, 1, 2],
        3: [0, 2, 3],
        4: [0, 2, 3, 4],
        5: [0, 2, 3, 5],
        6: [0, 2, 3, 5, 6],
    }
    assert not NewEvaluations(tmp_path / "none")()


def test_what_rules_are_told_is_what_all_evaluations_would_tell_them(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    evaluations, every = NewEvaluations(tmp_path), list[HeldOut]()
    for version in range(0, 90, 3):
        write_counts(tmp_path, version, {f"p{i}": chance.integers(0, 5) / 4 for i in range(12)})
        if version % 9 == 3:
            write_counts(tmp_path / "asks", version, {f"q{i}": chance.integers(0, 5) / 4 for i in range(12)})
        counts = read_counts(tmp_path / f"version-{version:08d}.jsonl", max_tokens=1, top_p=1.0)
        every += with_suites(held_out(counts), {"asks": by_version(evaluation_files(tmp_path / "asks"))})
        told = evaluations()
        assert told is not None and len(told) <= 5
        assert (told[0], told[-1]) == (every[0], every[-1])
        assert by_suite(told) == by_suite(every)
        if version:
            assert highest_before(told) == highest_before(every)


def test_suites_stand_beside_the_evaluations_of_their_version(tmp_path: Path) -> None:
    for name, file, row in (
        ("asks", "version-00000004.jsonl", {"version": 4, "temperature": 1.0, "id": "a", "n": 4, "c": 1}),
        ("asks", "version-00000006.jsonl", {"version": 6, "temperature": 1.0, "id": "a", "n": 4, "c": 4}),
        ("text", "likelihood-00000004.jsonl", {"version": 4, "id": "t", "bits_per_byte": 1.5}),
    ):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file).write_text(json.dumps(row) + "\n")
    for version in (0, 4):
        write_counts(tmp_path, version, {"p": 0.5})
    first, second = NewEvaluations(tmp_path)() or []
    assert first.others == {}
    assert second.others == {"suite asks": {"a": 0.25}, "suite text (minus bits/byte)": {"t": -1.5}}
    assert second.mean == 0.5
