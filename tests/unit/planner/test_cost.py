"""The cost model on worked numbers."""

from pathlib import Path

import numpy as np
import pytest

from planner.cost.devices import device, devices
from planner.cost.flops import ModelShape, kinetics_eflops, t2_flops
from planner.cost.lengths import expected_longest, sequential_outcome, sequential_tokens
from planner.cost.pareto import pareto
from planner.cost.roofline import Server, break_even_batch

TINY = ModelShape(params=8e5, layers=4, attention_width=128, kv_width=128)
LARGE = ModelShape(params=8e9, layers=32, attention_width=4096, kv_width=1024)


def test_query_flops_are_affine_in_k() -> None:
    assert TINY.prefill(32) == pytest.approx(5.225e7, rel=1e-3)
    assert TINY.decode(32, 24) == pytest.approx(4.056e7, rel=1e-3)
    assert TINY.query(32, 24, 16) == pytest.approx(7.013e8, rel=1e-3)
    assert TINY.query(32, 24, 16, shared_prefill=False) == pytest.approx(1.485e9, rel=1e-3)
    assert t2_flops(8e5, 24, 16) == pytest.approx(6.144e8)


def test_output_head_counts_where_it_is_given() -> None:
    headed = ModelShape(params=8e5, layers=4, attention_width=128, kv_width=128, width=128, vocabulary=64)
    assert headed.decode(32, 24) - TINY.decode(32, 24) == 24 * 2 * 128 * 64
    assert headed.prefill(32) - TINY.prefill(32) == 2 * 128 * 64  # of the last token only


@pytest.mark.parametrize(
    ("batch", "ms", "rate", "usd"), [(1, 6.9, 144, 5.78), (32, 10.5, 3052, 0.273), (256, 36.1, 7086, 0.118)]
)
def test_roofline_of_8b_on_an_h100(batch: int, ms: float, rate: float, usd: float) -> None:
    server = Server(shape=LARGE, device=device("h100_sxm"))
    assert server.step_s(batch, 2048) == pytest.approx(ms * 1e-3, rel=0.01)
    assert server.tokens_per_s(batch, 2048) == pytest.approx(rate, rel=0.01)
    assert server.usd_per_million(batch, 2048) == pytest.approx(usd, rel=0.01)


def test_where_decoding_becomes_bound_by_compute() -> None:
    h100 = device("h100_sxm")
    assert h100.critical_batch == pytest.approx(295, abs=0.5)
    assert h100.intensity == pytest.approx(295, abs=0.5)
    server = Server(shape=ModelShape(params=8e9, layers=32, attention_width=4096, kv_width=0), device=h100)
    batch = break_even_batch(server, 1)
    low, high = server.step_s(batch * 0.9, 1), server.step_s(batch * 1.1, 1)
    assert low == pytest.approx(server.step_s(1, 1), rel=1e-3) and high > low * 1.05


def test_fewer_bits_read_fewer_bytes() -> None:
    servers = {bits: Server(shape=LARGE, device=device("h100_sxm"), bits=bits) for bits in (0, 8, 4)}
    assert {b: s.weight_bytes for b, s in servers.items()} == {0: 16e9, 8: 8e9, 4: 4e9}
    assert servers[4].step_s(1, 128) < servers[8].step_s(1, 128) < servers[0].step_s(1, 128)
    embedded = ModelShape(params=100, layers=1, attention_width=8, kv_width=8, embedding_params=10)
    assert embedded.weight_bytes(4, bits=8) == 100 + 40  # the embedding keeps its format


def test_kinetics_counts_memory_traffic() -> None:
    compute = (2 * 8e5 * 24 + 2 * (64 + 24) * 24 * 128) * 4
    memory = 2 * (64 + 24 * 4) * 24 * 128 * 295
    assert kinetics_eflops(TINY, 32, 24, 4, intensity=295) == pytest.approx(compute + memory)


def test_key_value_bytes() -> None:
    assert LARGE.kv_bytes_per_token() == 131_072
    assert LARGE.kv_bytes_peak(100, 50, 4) == 131_072 * 300


def test_calibration_replaces_the_nominal_peak() -> None:
    nominal = device("cpu_core")
    measured = nominal.calibrated(flops=2.2e10, launch_s=1e-4, name="here")
    server, ideal = Server(shape=TINY, device=measured), Server(shape=TINY, device=nominal)
    assert server.step_s(4096, 32) > 2 * ideal.step_s(4096, 32)
    assert measured.source.startswith("measured")


def test_every_device_names_its_source(tmp_path: Path) -> None:
    assert all(d.source and d.peak > d.bandwidth > 0 for d in devices().values())
    with pytest.raises(ValueError, match="unknown; use one of"):
        device("abacus")
    own = tmp_path / "own.yaml"
    own.write_text("mine: {peak: 1e12, bandwidth: 1e11, bytes_per_weight: 2, usd_per_hour: 1, source: me}\n")
    assert device("mine", own).critical_batch == 10


def test_expected_longest_of_k() -> None:
    assert expected_longest({10: 1, 12: 1, 20: 1, 40: 1}, 2) == pytest.approx(28.6667, abs=1e-4)
    assert expected_longest({10: 3, 20: 1}, 1) == pytest.approx(12.5)
    assert expected_longest({10: 3, 20: 1}, 4) == pytest.approx(20)
    with pytest.raises(ValueError, match="k is 5"):
        expected_longest({10: 4}, 5)


def test_stopping_at_the_first_success() -> None:
    tokens, samples, passed = sequential_outcome(2, 6, 8, right_tokens=20, wrong_tokens=30)
    assert (tokens, samples, passed) == (pytest.approx(112), pytest.approx(4.0), pytest.approx(0.8))


def test_sequential_tokens_of_measured_problems() -> None:
    # Two of four right: the first draw always happens, the second if the first was wrong (1/2), the third if
    # both were (1/6).
    n, c = np.array([4]), np.array([2])
    assert sequential_tokens(n, c, 3, right_tokens=1, wrong_tokens=1) == pytest.approx(1 + 1 / 2 + 1 / 6)
    assert sequential_tokens(n, np.array([0]), 4, right_tokens=1, wrong_tokens=3) == pytest.approx(12)
    assert sequential_tokens(n, np.array([4]), 4, right_tokens=2, wrong_tokens=3) == pytest.approx(2)


def test_pareto_front() -> None:
    cost, score = [1.0, 2.0, 2.0, 3.0, 3.0, 1.0], [0.2, 0.5, 0.5, 0.4, 0.6, 0.1]
    assert pareto(cost, score).tolist() == [True, True, True, False, True, False]
