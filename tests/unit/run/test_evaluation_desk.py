"""When units are evaluated: with the training waiting, and beside it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from rl.engines.errors import EngineLost, FleetDead
from rl.engines.rollout_service import GroupFailed
from rl.run.evaluation.desk import Beside, EvaluationDesk
from rl.run.evaluation.units import figures_of
from rl.views.evaluations import Counts
from rollout.engine import WeightUpdate
from rollout.types import SamplingConfig
from tests.unit.run.virtual_clock import played


class ScriptedUnit:
    def __init__(self, name: str, every: int) -> None:
        self.name, self.every = name, every
        self.asked: list[tuple[int, bool]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.failure: Exception | None = None
        self.failures = 1000
        """Times that it fails."""
        self.on_disk: set[int] = set()

    def done(self, version: int) -> bool:
        return version in self.on_disk

    async def run(self, version: int, *, whole: bool) -> dict[str, float]:
        self.asked.append((version, whole))
        await self.go.wait()
        if self.failure is not None and self.failures:
            self.failures -= 1
            raise self.failure
        self.on_disk.add(version)
        return {"greedy": version / 100}


class ScriptedFleet:
    def __init__(self) -> None:
        self.pushed: list[tuple[int, str, str]] = []

    async def push(self, update: WeightUpdate) -> None:
        text = await asyncio.to_thread(Path(update.path).read_text)
        self.pushed.append((update.version, Path(update.path).name, text))


def published(newest: Callable[[], WeightUpdate]) -> Callable[[], Awaitable[WeightUpdate]]:
    async def known() -> WeightUpdate:
        return newest()

    return known


def update_of(path: Path, version: int) -> WeightUpdate:
    path.write_text(f"weights {version}")
    return WeightUpdate(version=version, transport="shm", path=str(path), tensors=(), checksum="")


def test_each_suite_has_its_own_cadence_and_the_figures_come_once() -> None:
    async def scenario() -> None:
        main, often, never = ScriptedUnit("held_out", 4), ScriptedUnit("often", 2), ScriptedUnit("never", 0)
        notes: list[str] = []
        desk = EvaluationDesk([main, often, never], note=notes.append)
        assert [version for version in range(1, 9) if desk.due(version)] == [2, 4, 6, 8]
        await desk.whole(0)
        await desk.between(2)
        assert desk.metrics() == {"eval/often/greedy": 0.02, "eval/often/version": 2}
        await desk.between(4)
        assert desk.metrics() == {
            "eval/held_out/greedy": 0.04,
            "eval/held_out/version": 4,
            "eval/often/greedy": 0.04,
            "eval/often/version": 4,
        }
        assert desk.metrics() == {}
        assert main.asked == [(0, True), (4, False)] and never.asked == [(0, True)]
        assert notes == ["step 2: often greedy 0.020", "step 4: held_out greedy 0.040; often greedy 0.040"]

    played(scenario())


def test_beside_the_training_one_version_is_held_and_nothing_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        unit, fleet = ScriptedUnit("held_out", 1), ScriptedFleet()
        newest: dict[str, WeightUpdate] = {}
        notes: list[str] = []
        metered: list[tuple[str, int]] = []

        @contextmanager
        def meter(version: int):
            metered.append(("begin", version))
            yield
            metered.append(("end", version))

        desk = EvaluationDesk([ScriptedUnit("held_out", 1)], note=notes.append, beside=True)
        desk.go_beside(
            Beside(fleet=fleet, units=[unit], newest=published(lambda: newest["update"]), directory=tmp_path)
        )
        desk.meter(meter)
        unit.go.clear()
        newest["update"] = update_of(tmp_path / "weights-0", 1)
        await asyncio.wait_for(desk.between(1), 5)  # returns while the unit is at work
        await asyncio.sleep(0)
        assert desk.metrics() == {} and metered == []
        newest["update"] = update_of(tmp_path / "weights-0", 2)  # the learner writes over its buffer
        await desk.between(2)
        assert "step 2: not evaluated, since an earlier evaluation still runs" in notes[0]
        assert fleet.pushed == [(1, "evaluated", "weights 1")]
        assert (tmp_path / "evaluated").read_text() == "weights 1"  # what an engine that comes back loads
        unit.go.set()
        await desk.settled()
        assert desk.metrics() == {"eval/held_out/greedy": 0.01, "eval/held_out/version": 1}
        assert metered == [("begin", 1), ("end", 1)]
        assert unit.asked == [(1, False)]

    played(scenario())


def test_what_lies_in_the_object_store_is_held_there_and_not_copied(tmp_path: Path) -> None:
    async def scenario() -> None:
        pushed: list[WeightUpdate] = []

        class Fleet:
            async def push(self, update: WeightUpdate) -> None:
                pushed.append(update)

        update = WeightUpdate(
            version=1,
            transport="object",
            path=str(tmp_path / "weights-1"),
            tensors=(),
            checksum="",
            parts=("ref",),
        )
        beside = Beside(fleet=Fleet(), units=[], newest=published(lambda: update), directory=tmp_path)
        await beside.pin(1)
        assert [(Path(u.path).name, u.parts) for u in pushed] == [("evaluated", ("ref",))]
        assert not (tmp_path / "evaluated").exists()

    played(scenario())


def test_a_failure_beside_the_training_is_raised_at_the_next_step(tmp_path: Path) -> None:
    async def scenario() -> None:
        unit = ScriptedUnit("held_out", 1)
        unit.failure = RuntimeError("no engine is left")
        desk = EvaluationDesk([unit], note=lambda text: None, beside=True)
        update = update_of(tmp_path / "weights-0", 1)
        desk.go_beside(
            Beside(fleet=ScriptedFleet(), units=[unit], newest=published(lambda: update), directory=tmp_path)
        )
        await desk.between(1)
        await asyncio.sleep(0.05)
        with pytest.raises(RuntimeError, match="no engine is left"):
            desk.metrics()

    played(scenario())


@pytest.mark.parametrize(
    ("error", "failures", "asked", "said"),
    [
        (EngineLost("engine 1 died"), 1, [1, 1], "an engine was lost (EngineLost: engine 1 died); evaluated"),
        (GroupFailed("four times"), 9, [1, 1], "not evaluated, since its engines were lost"),
        (FleetDead("engine 1 died 4 times"), 9, [1], "not evaluated, since its engines were lost"),
    ],
)
def test_reserved_engines_that_are_lost_cost_one_evaluation_at_most(
    tmp_path: Path, error: Exception, failures: int, asked: list[int], said: str
) -> None:
    async def scenario() -> None:
        before, unit = ScriptedUnit("before", 1), ScriptedUnit("held_out", 1)
        unit.failure, unit.failures = error, failures
        notes: list[str] = []
        desk = EvaluationDesk([before, unit], note=notes.append, beside=True)
        update = update_of(tmp_path / "weights-0", 1)
        beside = Beside(
            fleet=ScriptedFleet(), units=[before, unit], newest=published(lambda: update), directory=tmp_path
        )
        desk.go_beside(beside)
        await desk.between(1)
        await desk.settled()
        assert [version for version, _ in unit.asked] == asked
        assert len(before.asked) == 1, "what was evaluated before the loss is not asked again"
        assert any(said in note for note in notes)
        assert ("eval/held_out/greedy" in desk.metrics()) is (failures == 1)

    played(scenario())


def test_what_was_due_at_a_checkpoint_and_has_no_counts_is_caught_up_with() -> None:
    async def scenario() -> None:
        due, done, not_due = ScriptedUnit("due", 4), ScriptedUnit("done", 2), ScriptedUnit("not_due", 3)
        done.on_disk.add(4)
        desk = EvaluationDesk([due, done, not_due], note=lambda text: None, beside=True)
        assert desk.missed(4) == ["due"] and desk.missed(5) == []
        await desk.catch_up(4)
        assert (due.asked, done.asked, not_due.asked) == ([(4, False)], [], [])
        assert desk.metrics() == {"eval/due/greedy": 0.04, "eval/due/version": 4} and desk.missed(4) == []

    played(scenario())


def test_figures_are_of_greedy_and_of_the_first_other_temperature() -> None:
    def counts(temperature: float, right: int) -> Counts:
        rows = [{"id": "a", "n": 4, "c": right}]
        return Counts(version=1, sampling=SamplingConfig(temperature=temperature), rows=rows)

    assert figures_of([counts(1.0, 1), counts(0.0, 4), counts(0.6, 3)]) == {"pass@1": 0.25, "greedy": 1.0}
