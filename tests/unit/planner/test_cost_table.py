"""The trade-off table."""

import csv
import io

import numpy as np
import pytest

from planner.cost.devices import device
from planner.cost.flops import ModelShape
from planner.cost.tradeoff import COLUMNS, Scored, cheapest, choices, to_csv, to_markdown, tradeoff
from planner.estimators.pass_at_k import pass_at_k


def scored(name: str, params: float, c: list[int], *, length: int, bits: int = 0) -> Scored:
    return Scored(
        name=name,
        shape=ModelShape(params=params, layers=2, attention_width=64, kv_width=64, embedding_params=1000),
        tokens=20 * params,
        train_flops=6 * params * 20 * params,
        post=False,
        bits=bits,
        n=np.full(len(c), 16),
        c=np.array(c),
        prompt_tokens=32.0,
        right_lengths={length: sum(c)},
        wrong_lengths={length + 4: 16 * len(c) - sum(c)},
    )


SMALL = scored("small", 4e5, [0, 2, 8, 16], length=16)
LARGE = scored("large", 1.6e6, [1, 8, 15, 16], length=20)


def test_rows_and_columns() -> None:
    rows = tradeoff([SMALL, LARGE], device("cpu_core"), ks=[1, 4, 16, 64])
    assert [(r["ckpt"], r["strategy"], r["k"]) for r in rows[:5]] == [
        ("small", "parallel", 1), ("small", "parallel", 4), ("small", "sequential", 4),
        ("small", "parallel", 16),
        ("small", "sequential", 16),
    ]  # fmt: skip
    assert all(tuple(r) == COLUMNS for r in rows)
    assert len(rows) == 10  # k = 64 has no samples to speak for it
    four = rows[1]
    assert four["pass@k"] == pytest.approx(float(pass_at_k(SMALL.n, SMALL.c, 4).mean()))
    assert four["ci_lo"] <= four["pass@k"] <= four["ci_hi"]
    assert four["flops_per_query"] == pytest.approx(SMALL.shape.query(32, four["mean_gen_tok"], 4))
    assert four["cost_per_solved"] == pytest.approx(four["flops_per_query"] / four["pass@k"])
    assert four["p95_gen_tok"] == 20


def test_rows_beyond_the_samples_say_so() -> None:
    rows = tradeoff([SMALL], device("cpu_core"), ks=[16, 64], extrapolate=True)
    beyond = [r for r in rows if r["k"] == 64]
    assert [r["extrapolated"] for r in beyond] == [1, 1] and not any(r["on_pareto"] for r in beyond)
    assert rows[0]["pass@k"] < beyond[0]["pass@k"] <= 1
    assert beyond[0]["ci_lo"] <= beyond[0]["pass@k"] <= beyond[0]["ci_hi"]
    assert beyond[1]["flops_per_query"] > rows[1]["flops_per_query"]


def test_stopping_early_costs_less_and_solves_as_much() -> None:
    rows = {(r["strategy"], r["k"]): r for r in tradeoff([SMALL], device("h100_sxm"), ks=[16])}
    parallel, sequential = rows["parallel", 16], rows["sequential", 16]
    assert sequential["pass@k"] == parallel["pass@k"]
    for column in ("flops_per_query", "usd_per_1k_queries", "latency_ms_seq", "kv_bytes_peak"):
        assert sequential[column] < parallel[column]
    assert parallel["latency_ms_par"] < parallel["latency_ms_seq"]


def test_front_and_choice_between_formats() -> None:
    full, low = (
        scored("m", 4e5, [4, 8, 12, 16], length=16),
        scored("m", 4e5, [1, 4, 12, 16], length=16, bits=4),
    )
    rows = tradeoff([full, low], device("h100_sxm"), ks=[1, 4])
    assert sum(r["on_pareto"] for r in rows) >= 1
    assert not any(r["on_pareto"] for r in rows if r["bits"] == 4 and r["strategy"] == "parallel")
    assert cheapest(rows, cost="flops_per_query", budget=1e12)["bits"] == 0
    least = min(r["latency_ms_par"] for r in rows)
    assert cheapest(rows, cost="latency_ms_par", budget=least)["bits"] == 4  # fewer bytes to read
    spread = choices(rows, cost="latency_ms_par", count=3)
    assert [c["bits"] for c in (spread[0], spread[-1])] == [4, 0]
    assert [c["selected_acc"] for c in spread] == sorted(c["selected_acc"] for c in spread)
    with pytest.raises(ValueError, match="the cheapest has"):
        cheapest(rows, cost="flops_per_query", budget=1.0)


def test_files() -> None:
    rows = tradeoff([SMALL], device("cpu_core"), ks=[1, 4])
    back = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert tuple(back[0]) == COLUMNS and len(back) == 3
    table = to_markdown(rows, ["ckpt", "k", "pass@k"]).splitlines()
    assert table[0] == "| ckpt | k | pass@k |" and table[2].startswith("| small | 1 | 0.40")


@pytest.mark.parametrize(
    ("params", "a", "b", "length", "k", "accuracy", "flops"),
    [
        (4e5, 0.3, 4, 20, 16, 0.396, 2.82e8), (8e5, 0.6, 4, 22, 4, 0.350, 1.92e8),
        (8e5, 0.6, 4, 22, 16, 0.628, 6.14e8),
        (1.6e6, 1, 4, 24, 1, 0.200, 1.79e8), (1.6e6, 1, 4, 24, 4, 0.500, 4.10e8),
        (1.6e6, 1, 4, 24, 16, 0.800, 1.33e9),
    ],
)  # fmt: skip
def test_worked_rows(
    params: float, a: float, b: float, length: int, k: int, accuracy: float, flops: float
) -> None:
    from planner.t2.beta import beta_pass_at_k

    assert float(beta_pass_at_k(a, b, k)) == pytest.approx(accuracy, abs=1e-3)
    plain = ModelShape(params=params, layers=0, attention_width=0, kv_width=0)
    assert plain.query(32, length, k) == pytest.approx(flops, rel=0.01)  # the example leaves attention out
