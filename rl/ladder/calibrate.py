"""Measure what this machine reaches, in place of nominal figures: a matrix product of a layer's shape, and
one decode step of a model."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from planner.cost.devices import Device, device

ROWS = 4096
REPEATS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Medians over repeats, one torch thread, fp32."""

    width: int
    matmul_flops: float
    """FLOP/s of (4096 x d) by (d x 4d)."""
    launch_s: float
    """Seconds of the smallest such product with one row: the price of a step before it computes anything."""


def calibrate(width: int = 128, *, repeats: int = REPEATS) -> Calibration:
    """Time this machine; a fraction of a second."""
    torch.set_num_threads(1)
    many, one, weight = torch.randn(ROWS, width), torch.randn(1, width), torch.randn(width, 4 * width)
    seconds = _median(lambda: many @ weight, repeats)
    return Calibration(
        width=width,
        matmul_flops=2.0 * ROWS * width * 4 * width / seconds,
        launch_s=_median(lambda: one @ weight, repeats),
    )


def this_machine(width: int = 128) -> Device:
    """One core of this machine as a device: measured FLOP/s, nominal bandwidth and price."""
    found = calibrate(width)
    return device("cpu_core").calibrated(flops=found.matmul_flops, launch_s=found.launch_s, name="here")


@torch.inference_mode()
def decode_tokens_per_s(model: Any, *, batch: int, context: int, repeats: int = REPEATS) -> float:
    """Measured tokens/s of one decode step of a transformers model: the check on the roofline."""
    torch.set_num_threads(1)
    vocabulary = model.config.vocab_size
    prompt, token = torch.randint(vocabulary, (batch, context)), torch.randint(vocabulary, (batch, 1))
    cache = model(input_ids=prompt, use_cache=True).past_key_values

    def step() -> None:
        model(input_ids=token, past_key_values=cache, use_cache=True)
        cache.crop(context)

    return batch / _median(step, repeats)


def _median(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the middle of ``repeats`` timings, after one that warms up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]
