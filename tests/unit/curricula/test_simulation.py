"""The simulation: pools line by line, hand-computed learners, draws fixed by prompt and step, the
controller's order."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from curricula.base import Plan
from curricula.measures.tally import tally
from curricula.pool import PromptPool
from curricula.simulation.build import build_simulation
from curricula.simulation.curves import Curves
from curricula.simulation.learners import LogisticLearner
from curricula.simulation.outcomes import Outcomes
from curricula.simulation.rows import pool_of, read_rows
from curricula.simulation.simulate import Schedule, Simulation
from rollout.types import FinishReason, RolloutGroup, RolloutStat, SamplingConfig

SAMPLING = SamplingConfig(max_tokens=32)
ROWS = [{"id": f"p{i}", "category": "abc"[i % 3], "pass_rate": (0.0, 0.5, 1.0)[i % 3]} for i in range(60)]


def stat(
    category: str, n: int, correct: int, *, kept: bool = True, reason: str = "", step: int = 0
) -> RolloutStat:
    return RolloutStat(
        plan_step=step,
        prompt_id="p",
        category=category,
        difficulty=0,
        sampling_key=SAMPLING.key,
        num_rollouts=n,
        num_correct=correct,
        num_truncated=0,
        num_tokens=10 * n,
        min_policy_version=0,
        max_policy_version=0,
        kept=kept,
        reason=reason,
    )


def simulation(
    curriculum: dict[str, Any], *, rows: list[dict[str, Any]] = ROWS, seed: int = 0, **more: Any
) -> Simulation:
    learner = more.pop("learner", "curves")
    schedule = Schedule(**{"steps": 12, "prompts_per_step": 6, "rollouts_per_prompt": 8, **more})
    return build_simulation(
        curriculum, pool=pool_of(rows), schedule=schedule, seed=seed, sampling=SAMPLING, learner=learner
    )


# -- curves and pools ----------------------------------------------------------------------------------------


def test_curves_are_read_between_their_points() -> None:
    curves = Curves([[0.2], [0.0, 1.0], [0.0, 0.4, 0.0]])
    at = {p: curves.at(np.arange(3), progress=p).tolist() for p in (0.0, 0.25, 0.5, 1.0)}
    assert at[0.0] == [0.2, 0.0, 0.0]
    assert at[0.25] == pytest.approx([0.2, 0.25, 0.2])
    assert at[0.5] == pytest.approx([0.2, 0.5, 0.4])
    assert at[1.0] == pytest.approx([0.2, 1.0, 0.0])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": 1', "not a JSON row"),
        ("[1]", "a row is an object"),
        ('{"id": "b"}', "pass_rate is missing"),
        ('{"id": "b", "pass_rate": 1.5}', "pass_rate is 1.5; it must be a number in [0, 1]"),
        ('{"id": "b", "pass_rate": []}', "pass_rate is []"),
        ('{"id": "b", "pass_rate": [0.1, true]}', "list of such numbers"),
        ('{"id": "b", "pass_rate": 0.5, "rate": 1}', "unknown field 'rate'"),
        ('{"id": "", "pass_rate": 0.5}', "id is ''"),
        ('{"id": "b", "pass_rate": 0.5, "category": 3}', "category is 3"),
        ('{"id": "b", "pass_rate": 0.5, "difficulty": "hard"}', "difficulty is 'hard'"),
        ('{"id": "b", "pass_rate": 0.5, "length": 0}', "length is 0; it must be a number of at least 1"),
        ('{"id": "b", "pass_rate": 0.5, "metadata": 3}', "metadata is 3"),
        ('{"id": "a", "pass_rate": 0.5}', "id 'a' stands in row 1 already"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path, line: str, words: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"id": "a", "pass_rate": 0.5}\n' + line + "\n")
    with pytest.raises(ValueError) as error:
        read_rows(file)
    assert str(error.value).startswith(f"{file}:2: ") and words in str(error.value)


def test_a_length_in_some_rows_only_is_refused() -> None:
    with pytest.raises(ValueError, match=r"row:2: length is missing"):
        pool_of([{"id": 1, "pass_rate": 0.5, "length": 4}, {"id": 2, "pass_rate": 0.5}])


def test_no_file_and_no_row(tmp_path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        read_rows(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(ValueError, match="no row"):
        read_rows(tmp_path / "empty.jsonl")


# -- learners ------------------------------------------------------------------------------------------------


def test_the_logistic_learner_by_hand() -> None:
    rows = [{"id": "x", "category": "a", "pass_rate": 0.5}, {"id": "y", "category": "b", "pass_rate": 0.2}]
    rows += [{"id": "z", "category": "a", "pass_rate": 0.0}, {"id": "w", "category": "a", "pass_rate": 1.0}]
    pool = pool_of(rows)
    learner = LogisticLearner(pool.pass_rates, PromptPool.from_prompts(pool.prompts), rate=2.0)
    learner.update([stat("a", 4, 2), stat("b", 12, 0)])
    # a: 2 * 4/16 * sqrt(1/4) = .25 log-odds; b: all wrong, nothing.
    assert learner.skills.tolist() == [0.25, 0.0]
    rates = learner.pass_rates(np.arange(4), progress=0.9)
    assert rates.tolist() == pytest.approx([1 / (1 + np.exp(-0.25)), 0.2, 0.0, 1.0])


def test_the_logistic_learner_learns_from_mixed_groups_only() -> None:
    flat = simulation(
        {}, rows=[{"id": i, "pass_rate": float(i % 2)} for i in range(30)], learner="logistic"
    ).run()
    assert flat[0]["pool_pass_rate"] == flat[-1]["pool_pass_rate"] == 0.5
    half = simulation({}, rows=[{"id": i, "pass_rate": 0.5} for i in range(30)], learner="logistic").run()
    assert half[-1]["pool_pass_rate"] > 0.9


# -- outcomes ------------------------------------------------------------------------------------------------


def groups_of(
    indices: list[int], counts: list[int], *, max_tokens: list[int] | None = None, seed: int = 0
) -> list[RolloutGroup]:
    plan = Plan(
        prompt_indices=np.array(indices),
        num_rollouts=np.array(counts),
        max_tokens=None if max_tokens is None else np.array(max_tokens),
        metrics={},
    )
    pool = pool_of([{"id": i, "pass_rate": 0.5, "length": 20} for i in range(8)])
    made = Outcomes(pool, sampling=SAMPLING, seed=seed)
    return made.groups(
        plan, step=3, position=0, rates=np.full(len(indices), 0.5), version=2, progress=0.0, drawn={}
    )


def signs(group: RolloutGroup) -> list[tuple[bool, int]]:
    return [(r.result.correct, len(r.completion.token_ids)) for r in group.rollouts]


def test_draws_depend_on_seed_step_prompt_and_position_alone() -> None:
    alone, (_, among) = groups_of([5], [40])[0], groups_of([1, 5], [8, 64])
    assert signs(alone) == signs(among)[:40]
    assert signs(alone) != signs(groups_of([5], [40], seed=1)[0])
    first, second = groups_of([5, 5], [10, 30])
    assert signs(first) + signs(second) == signs(alone)
    assert first.group_id != second.group_id
    assert alone.min_policy_version == 2


def test_a_completion_over_its_budget_is_cut_truncated_and_wrong() -> None:
    (short,) = groups_of([5], [200], max_tokens=[12])
    (free,) = groups_of([5], [200])
    assert [n for _, n in signs(short)] == [min(n, 12) for _, n in signs(free)]
    for cut, whole in zip(short.rollouts, free.rollouts, strict=True):
        truncated = len(whole.completion.token_ids) > 12
        assert (cut.completion.finish_reason is FinishReason.LENGTH) == truncated
        assert cut.result.correct == (whole.result.correct and not truncated)
    assert np.mean([n for _, n in signs(free)]) == pytest.approx(20, rel=0.05)


# -- the run -------------------------------------------------------------------------------------------------


def test_tally_by_hand() -> None:
    rows = tally([stat("b", 8, 8, kept=False, reason="all_correct"), stat("a", 4, 1), stat("b", 8, 3)])
    assert rows == {
        "categories": {"a": [1, 4, 1, 1, 1, 40], "b": [2, 16, 11, 1, 1, 160]},
        "group_sizes": {"4": 1, "8": 2},
        "dropped": {"all_correct": 1},
    }
    assert json.loads(json.dumps(rows)) == rows


def test_rows_of_a_known_pool() -> None:
    rows = simulation({"verdict": {"name": "mixed"}}).run()
    assert [row["step"] for row in rows] == list(range(12))
    # A third of the prompts is solved, a third is not, and of p = 1/2 in groups of 8 all but 1 in 128 are
    # mixed.
    assert np.mean([row["effective_prompt_ratio"] for row in rows]) == pytest.approx(1 / 3, abs=0.08)
    for row in rows:
        kept = 6 - sum(row["dropped"].values())
        assert row["rollouts_generated"] == 48 and row["rollouts_trained"] == 8 * kept
        assert row["trained_effective_ratio"] == (1.0 if kept else 0.0)
        assert row["categories"].get("a", [0] * 6)[2] == 0, "pass rate 0"


def test_refills_replace_what_was_dropped_and_are_observed() -> None:
    filtered = simulation({"verdict": {"name": "mixed"}}, refill_rounds=3)
    rows = filtered.run()
    assert max(row["refill_rounds"] for row in rows) == 3
    plain = simulation({"verdict": {"name": "mixed"}}).run()
    assert sum(r["rollouts_generated"] for r in rows) > sum(r["rollouts_generated"] for r in plain)
    assert sum(r["rollouts_trained"] for r in rows) > sum(r["rollouts_trained"] for r in plain)
    groups = sum(sum(row["group_sizes"].values()) for row in rows)
    seen = filtered.stack._store.num_observed(np.arange(60)).sum()
    assert seen == sum(r["rollouts_generated"] for r in rows) == 8 * groups


def test_only_the_rollouts_that_a_filter_chose_are_trained_on() -> None:
    """PODS (arXiv 2504.13818) keeps 4 of 8, as unlike as it can; the statistics hold all 8."""
    pods = simulation(
        {"verdict": {"name": "pods", "args": {"share": 0.5}}},
        rows=[{"id": i, "pass_rate": 0.5} for i in range(30)],
    )
    rows = pods.run()
    assert {row["rollouts_generated"] for row in rows} == {48} and {
        row["rollouts_trained"] for row in rows
    } == {24}
    assert pods.stack._store.num_observed(np.arange(30)).sum() == 12 * 48


def test_staleness_delays_what_plans_know() -> None:
    """Knapsack groups are equal until their prompts were seen: with staleness 2 the second visit knows
    nothing of the first."""
    knapsack = {"allocator": {"name": "knapsack", "args": {"min_count": 1}}}
    rows = [{"id": i, "pass_rate": (0.0, 0.5)[i % 2]} for i in range(6)]  # one plan is one epoch

    def equal(staleness: int) -> list[bool]:
        return [
            len(row["group_sizes"]) == 1
            for row in simulation(knapsack, rows=rows, max_staleness=staleness).run()
        ]

    assert equal(0).index(False) == 1
    assert equal(2).index(False) == 3


def test_versions_follow_the_tickets() -> None:
    run = simulation({}, max_staleness=2)
    stats: list[RolloutStat] = []
    observe = run.stack.observe

    def spy(step: int, seen: Sequence[RolloutStat], *, signals: Any = None) -> None:
        stats.extend(seen)
        observe(step, seen, signals=signals)

    run.stack.observe = spy  # type: ignore[assignment, method-assign]
    run.run()
    assert {(s.plan_step, s.min_policy_version) for s in stats} == {
        (step, max(0, step - 2)) for step in range(12)
    }


def test_the_same_seed_gives_the_same_rows() -> None:
    stack = {"allocator": {"name": "knapsack"}, "verdict": {"name": "mixed"}}
    assert simulation(stack).run() == simulation(stack).run()
    assert simulation(stack, seed=1).run() != simulation(stack).run()
