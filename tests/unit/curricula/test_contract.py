"""The contract, on every part that ships, on the example, and on parts that break it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from curricula import CURRICULA, build_part
from curricula.allocators.knapsack import Knapsack
from curricula.base import Allocation, Ctx, Curriculum, FilterDecision
from curricula.conflicts.filters import band_after_buyer
from curricula.contract import run_contract
from curricula.contract.checks import ALL
from rl.config.compose import PACKAGED
from rollout.types import RolloutGroup, RolloutStat
from tests.unit.curricula.stacks import POOL, new_store

Case = tuple[str, dict[str, Any]]


def cases() -> list[Case]:
    """Every part of CURRICULA with the arguments of every preset that names it, and bare if it takes none."""
    found: list[Case] = []
    for file in sorted((PACKAGED / "curriculum").glob("*.yaml")):
        for slot in (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).values():
            if isinstance(slot, dict) and "name" in slot:
                found.append((slot["name"], slot.get("args") or {}))
    named = {name for name, _ in found}
    return [*found, *((name, {}) for name in CURRICULA if name not in named)]


@pytest.mark.parametrize(("name", "args"), cases(), ids=lambda case: str(case))
def test_every_part_keeps_the_contract(name: str, args: dict[str, Any]) -> None:
    findings = run_contract(lambda: build_part("slot", name, args))
    assert [f.check for f in findings] == list(ALL)
    assert [f"{f.check}: {f.problem}" for f in findings if not f.passed] == []


@pytest.mark.parametrize(("name", "args"), cases(), ids=lambda case: str(case))
def test_a_plan_of_which_nothing_could_be_judged_is_observed_as_nothing(
    name: str, args: dict[str, Any]
) -> None:
    part = build_part("slot", name, args)
    part.observe(Ctx(step=0, total_steps=9, seed=0, pool=POOL, store=new_store()), [])
    assert all(np.isfinite(value) for value in part.metrics().values())


def test_a_part_of_a_users_file_is_found_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "curricula.py").write_text(
        "from curricula.filters.mixed import MixedOutcomes\n\n\nclass Mine(MixedOutcomes):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    assert type(build_part("verdict", "curricula.py:Mine", {})).__name__ == "Mine"
    with pytest.raises(
        ValueError, match=r"curriculum.verdict.name is 'curricula.py:Other': curricula.py has no 'Other'"
    ):
        build_part("verdict", "curricula.py:Other", {})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "traits = frozenset({'drops_everything'})",
            "traits holds 'drops_everything'; there are",
        ),
        ("drops_all_wrong = True", r"Mine.drops_all_wrong is not read: name it in .*'drops_all_wrong'"),
        (
            "def verdict(self, ctx, group): ...",
            r"Mine.verdict is not called: the hook's name is filter_group, and it gives a .*FilterDecision",
        ),
    ],
)
def test_a_part_of_a_users_file_with_words_that_nothing_reads_is_refused(
    body: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"from curricula.base import Curriculum\n\n\nclass Mine(Curriculum):\n    {body}\n"
    (tmp_path / "own.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"curriculum.shape.name is .own.py:Mine.: {message}"):
        build_part("shape", "own.py:Mine", {})


def test_a_part_of_a_users_file_may_write_traits_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "traits = frozenset({'drops_mixed_groups'})"
    source = f"from curricula.base import Curriculum\n\n\nclass Mine(Curriculum):\n    {body}\n"
    (tmp_path / "own.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    parts = {"own": build_part("shape", "own.py:Mine", {}), "allocator": Knapsack()}
    assert [text for text in band_after_buyer(parts) if text.startswith("own drops groups")]


def test_every_part_is_among_the_cases() -> None:
    assert {name for name, _ in cases()} >= set(CURRICULA)


def test_the_shipped_example_of_an_own_part() -> None:
    findings = run_contract(
        lambda: build_part("prompts", "examples.own_curriculum:Uncertain", {"strength": 3.0})
    )
    assert [f.problem for f in findings if not f.passed] == []
    with pytest.raises(ValueError, match="strength is -1"):
        build_part("prompts", "examples.own_curriculum:Uncertain", {"strength": -1.0})


class Neutral(Curriculum):
    pass


class Forgetful(Curriculum):
    """Counts, and does not save."""

    def __init__(self) -> None:
        self.count = 0

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return np.where(indices % 5 == self.count % 5, 3.0, 0.0)

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        self.count += len(stats)


class Counter(Forgetful):
    """Saves, but counts where it is asked instead of where it observes."""

    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        self.count += 1
        return super().prompt_logits(ctx, indices)

    def observe(self, ctx: Ctx, stats: Sequence[RolloutStat]) -> None:
        """Nothing."""

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.count = state["count"]


class OwnDice(Curriculum):
    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return np.random.random(len(indices)) < 0.5


class SecretDice(Curriculum):
    """Repeats itself when asked twice, and yet is no function of the context."""

    def __init__(self) -> None:
        self.asked: dict[tuple[int, int, bytes], np.ndarray] = {}

    def skip(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return self.asked.setdefault(
            (ctx.step, ctx.round, indices.tobytes()), np.random.random(len(indices)) < 0.5
        )


class Spendthrift(Curriculum):
    def allocate(self, ctx: Ctx, indices: np.ndarray) -> Allocation:
        return Allocation(num_rollouts=np.full(len(indices), ctx.rollout_budget // len(indices) + 1))


class Unbounded(Curriculum):
    """Meets the budget, but not the cap it promises."""

    cap = 4

    def allocate(self, ctx: Ctx, indices: np.ndarray) -> Allocation:
        counts = np.ones(len(indices), dtype=np.int64)
        counts[0] += ctx.rollout_budget - len(indices)
        return Allocation(num_rollouts=counts)


class WrongShape(Curriculum):
    def category_logits(self, ctx: Ctx) -> np.ndarray:
        return np.zeros(len(ctx.pool))


class NotANumber(Curriculum):
    def prompt_logits(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return 1.0 - ctx.store.pass_rate(indices, mode="decayed")


class Silent(Curriculum):
    def filter_group(self, ctx: Ctx, group: RolloutGroup) -> FilterDecision:
        return FilterDecision(action="drop")


class TextMetric(Curriculum):
    def length_budget(self, ctx: Ctx, indices: np.ndarray) -> np.ndarray:
        return np.full(len(indices), 32)

    def metrics(self) -> dict[str, float]:
        return {"mode": "long"}  # type: ignore[dict-item]  # what is tested


class NotJson(Forgetful):
    def state_dict(self) -> dict[str, Any]:
        return {"count": np.int64(self.count)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.count = state["count"]


class KeysLost(Forgetful):
    """JSON turns its keys into text."""

    def state_dict(self) -> dict[str, Any]:
        return {"by": {1: self.count}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.count = state["by"][1]


class NeedsSuccess(Curriculum):
    """Divides by zero where nothing was ever solved."""

    def category_logits(self, ctx: Ctx) -> np.ndarray:
        counts = ctx.store.categories()
        solved = [counts[name].successes if name in counts else 1.0 for name in ctx.pool.category_names]
        return np.array([1 / float(value) for value in solved])


@pytest.mark.parametrize(
    ("part", "check", "words"),
    [
        (Neutral, "has an opinion", "overrides none of"),
        (Forgetful, "resumes exactly", "keep what you need in state_dict"),
        (Counter, "hooks are pure and well shaped", "prompt_logits changed the part's state"),
        (OwnDice, "hooks are pure and well shaped", "draw random numbers from ctx.rng"),
        (SecretDice, "same seed, same choices", "two runs with one seed choose differently"),
        (Spendthrift, "budgets conserved", "spent"),
        (Unbounded, "budgets conserved", "above its cap of 4"),
        (WrongShape, "hooks are pure and well shaped", "category_logits gave shape (56,); it must be (4,)"),
        (NotANumber, "hooks are pure and well shaped", "prompt_logits gave NaN"),
        (Silent, "hooks are pure and well shaped", "without a reason"),
        (TextMetric, "hooks are pure and well shaped", "mode is 'long'"),
        (NotJson, "hooks are pure and well shaped", "state_dict is not JSON"),
        (KeysLost, "hooks are pure and well shaped", "keys must be text"),
        (NeedsSuccess, "works on bare pools", "ZeroDivisionError"),
    ],
)
def test_a_part_that_breaks_the_contract_is_told_what_and_where(
    part: type[Curriculum], check: str, words: str
) -> None:
    (finding,) = (f for f in run_contract(part) if f.check == check)
    assert not finding.passed and words in finding.problem
