"""The learner alone on a bare GPU machine: one that has torch and transformers, and perhaps a DeepSpeed wheel
carried along.

    python -m benchmarks.gpu.rehearsal --out "$OUT"          # one GPU, ends by itself within eight minutes
    python -m benchmarks.gpu.rehearsal --cpu --tiny --out .  # shows that the script runs; its numbers mean
    nothing

No model is downloaded: weights are random, in the shape of a 0.5B Qwen2.5 (``--size``), and lengths are drawn
from a long-tailed distribution. Each arm is run in what is left of the time and written to
``gpu_rehearsal.json`` at once, so a run that is cut off keeps what it has. Exit code 1 if packed rows differ
from padded ones by more than bf16 explains, or an arm failed. **Has not run on a GPU.**
"""

import argparse
import functools
import gc
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.rehearsal_parts import (
    Shape,
    agreement,
    attainable_flops,
    peak_flops,
    random_batch,
    time_training,
)

SIZES = {
    "0.5b": Shape(hidden=896, layers=24, heads=14, kv_heads=2, intermediate=4864, vocab=151_936),
    "1.5b": Shape(hidden=1536, layers=28, heads=12, kv_heads=2, intermediate=8960, vocab=151_936),
    "tiny": Shape(hidden=64, layers=2, heads=4, kv_heads=2, intermediate=128, vocab=512),
}
ARMS: dict[str, dict[str, Any]] = {
    "padded": {"packed": False},
    "packed": {},
    "packed, layers recomputed": {"checkpointing": True},
    "packed, layers recomputed, chunks of 2^25 logits": {"checkpointing": True, "logits_per_chunk": 1 << 25},
    "packed, layers recomputed, no chunks": {"checkpointing": True, "logits_per_chunk": 1 << 40},
    "DeepSpeed, stage 1": {"checkpointing": True, "zero_stage": 1},
    "DeepSpeed, stage 2": {"checkpointing": True, "zero_stage": 2},
    "DeepSpeed, stage 3": {"checkpointing": True, "zero_stage": 3},
    "DeepSpeed, stage 3, optimizer in host memory": {"checkpointing": True, "zero_stage": 3, "offload": True},
}
"""Name -> what differs from packed rows in plain torch with float32 masters."""
LIMIT_S = 470.0
"""After which the process ends itself, whatever hangs."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What all arms share."""

    shape: Shape
    device: torch.device
    token_budget: int
    samples: int
    longest: int
    arm_s: float
    ends_at: float

    @property
    def left_s(self) -> float:
        """Seconds until the last arm should be over."""
        return self.ends_at - time.monotonic()


def main() -> int:
    """Run everything that fits into the time."""
    arguments = _arguments()
    out = arguments.out / "gpu_rehearsal.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    watchdog = threading.Timer(LIMIT_S, lambda: os._exit(124))
    watchdog.daemon = True
    watchdog.start()
    plan = Rehearsal(
        shape=SIZES["tiny" if arguments.tiny else arguments.size],
        device=torch.device("cpu" if arguments.cpu else "cuda"),
        token_budget=512 if arguments.tiny else arguments.tokens,
        samples=16 if arguments.tiny else 96,
        longest=96 if arguments.tiny else 4096,
        arm_s=1.0 if arguments.tiny else 20.0,
        ends_at=time.monotonic() + arguments.seconds,
    )
    result: dict[str, Any] = {"machine": machine(plan.device), "shape": plan.shape.as_dict(), "arms": {}}
    failed = not _keep(out, result, "agreement", lambda: agreement(plan.device), lambda found: found["ok"])
    if plan.device.type == "cuda":
        failed |= not _keep(out, result, "attainable", lambda: {"bf16_tflops": attainable_flops() / 1e12})
    batch = random_batch(plan.shape, samples=plan.samples, longest=plan.longest)
    for name, differs in ((name, ARMS[name]) for name in arguments.arm or ARMS):
        why = _skipped(plan, differs)
        if why is not None:
            result["arms"][name] = {"skipped": why}
            continue
        failed |= not _keep(
            out, result["arms"], name, functools.partial(_arm, plan, batch, differs), whole=result
        )
    out.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))
    return int(failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", ".")))
    parser.add_argument(
        "--cpu", action="store_true", help="run on the CPU, packed rows through dense attention"
    )
    parser.add_argument("--tiny", action="store_true", help="a model of two layers and few tokens")
    parser.add_argument("--size", choices=sorted(set(SIZES) - {"tiny"}), default="0.5b")
    parser.add_argument("--tokens", type=int, default=16_384, help="tokens of a micro-batch")
    parser.add_argument(
        "--arm", action="append", choices=list(ARMS), help="run this one (and others so named) only"
    )
    parser.add_argument("--seconds", type=float, default=420.0, help="no arm begins after this")
    return parser.parse_args()


def machine(device: torch.device) -> dict[str, Any]:
    """Versions, the GPU, its driver."""
    facts: dict[str, Any] = {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": sys.version.split()[0],
    }
    for package in ("transformers", "deepspeed"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = None
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(0)
        facts |= {
            "gpu": properties.name,
            "gpu_bytes": properties.total_memory,
            "gpus": torch.cuda.device_count(),
        }
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
        facts["driver"] = done.stdout.strip().splitlines()[:1]
    return facts


def _keep(
    out: Path,
    into: dict[str, Any],
    name: str,
    work: Callable[[], dict[str, Any]],
    good: Callable[[dict[str, Any]], bool] = lambda _: True,
    whole: dict[str, Any] | None = None,
) -> bool:
    """Do ``work``, note what it found or how it failed, write the file; False if it failed or is not
    ``good``."""
    began = time.monotonic()
    try:
        found = work()
    # An arm that fails must not take the others with it; it is in the result
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        found = {"failed": f"{type(error).__name__}: {error}"}
    found["took_s"] = round(time.monotonic() - began, 1)
    into[name] = found
    out.write_text(json.dumps(whole or into, indent=1))
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return "failed" not in found and good(found)


def _skipped(plan: Rehearsal, differs: dict[str, Any]) -> str | None:
    if "zero_stage" in differs:
        for package in ("deepspeed", "pydantic"):
            if find_spec(package) is None:
                return f"no {package} here"
    return None if plan.left_s > plan.arm_s else "no time left"


def _arm(plan: Rehearsal, batch: Any, differs: dict[str, Any]) -> dict[str, Any]:
    """Tokens a second, share of the arithmetic that the GPU has, memory."""
    found = time_training(
        plan.shape,
        batch,
        device=plan.device,
        token_budget=plan.token_budget,
        seconds=min(plan.arm_s, plan.left_s),
        **differs,
    )
    rate = found.pop("flops_per_s")
    found["tflops"] = rate / 1e12
    if plan.device.type == "cuda":
        peak = peak_flops(torch.cuda.get_device_name(0))
        found["mfu"] = None if peak is None else rate / peak
        found["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
        found["reserved_gib"] = torch.cuda.max_memory_reserved() / 2**30
    return {
        key: round(value, 4) if isinstance(value, float | np.floating) else value
        for key, value in found.items()
    }


if __name__ == "__main__":
    sys.exit(main())
