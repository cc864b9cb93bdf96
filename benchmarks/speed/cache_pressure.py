"""The gain of a limit on the sequences in flight where the KV cache is too small for all of them.

    python -m benchmarks.speed.cache_pressure [--quick] [--json FILE]

vLLM takes sequences in while blocks are free, and when they run out it drops the cache of the youngest and
prefills it again later. A limit that adapts to the cache's use would avoid that, at the price of smaller
batches; the best fixed limit, found by trying, bounds what it could gain. One engine on one core, 1,024
sequences of the pipeline's long-tailed lengths at once, caches for a share of them: tokens per second at each
limit, in turn within a repeat, over those without a limit that matters.

Claim, written before the first run: the best of the limits gains less than 5% (median) at every cache size.
Then nothing adaptive is built.
"""

import argparse
import asyncio
import logging
import sys
from dataclasses import replace
from typing import Any

import ray

from benchmarks.lib.common import CONSOLE, machine, parser, save, show, spread
from benchmarks.lib.rig import Mix, Rig, Setting, make_rigs
from benchmarks.speed.bare import BareEngine
from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.config.model import RecipeModelConfig
from rl.engines.actors import engine_config

SETTING = Setting(name="cache", overrides=("rollout.cores=[0]", "rollout.max_num_seqs=1024"))
MIX = Mix(name="long tail", prompt_tokens=24, median_tokens=40, sigma=0.9)
SHARES = (1.0, 0.5, 0.25)
"""Of the cache that all sequences need at their ends."""
LIMITS = (1024, 512, 256, 128, 64)
STEPS = 2
"""Of the pipeline's batches of 512 sequences, asked for at once."""
CLAIM = 0.05


def cache_mib(rig: Rig, requests: list[Any], share: float) -> int:
    """Cache for ``share`` of what the requests need at their ends, in blocks."""
    model, config = rig.config.model, rig.config.rollout
    assert isinstance(model, RecipeModelConfig)
    shape = model.recipe
    per_token = 2 * shape.num_layers * shape.num_heads * shape.head_dim * 4
    blocks = sum(
        len(r.seeds) * -(-(len(r.prompt_token_ids) + r.sampling.max_tokens) // config.block_size)
        for r in requests
    )
    return max(1, round(share * blocks * config.block_size * per_token / 2**20))


async def measure(rig: Rig, *, repeats: int) -> dict[str, Any]:
    """Tokens per second by cache and limit, and the gain of every limit."""
    requests = [group.request for step in range(STEPS) for group in rig.plan(MIX, step)]
    found: dict[str, Any] = {}
    for share in SHARES:
        size = cache_mib(rig, requests, share)
        rows = [await one_repeat(rig, requests, size, turned=bool(n % 2)) for n in range(repeats)]
        speeds = {limit: [row[limit] for row in rows] for limit in LIMITS}
        gains = {limit: spread([row[limit] / row[LIMITS[0]] for row in rows]) for limit in LIMITS[1:]}
        best = max(gains, key=lambda limit: gains[limit]["median"])
        found[f"{share:g}"] = {
            "cache_mib": size,
            "tokens_per_s": {str(limit): spread(values) for limit, values in speeds.items()},
            "over_no_limit": {str(limit): gain for limit, gain in gains.items()},
            "best_limit": best,
        }
        CONSOLE.print(f"cache for {share:g} of the sequences, {size} MiB: best limit {best}, {gains[best]}")
    return found


async def one_repeat(rig: Rig, requests: list[Any], size: int, *, turned: bool) -> dict[int, float]:
    """Tokens per second by limit; each has an engine of its own, since the limit is fixed at the start."""
    speeds = {}
    for limit in reversed(LIMITS) if turned else LIMITS:
        bare = ray.remote(BareEngine).options(num_cpus=1).remote()
        config = replace(engine_config(rig.config, rig.model_path), kv_cache_mib=size, max_num_seqs=limit)
        await bare.start.remote(config)
        await bare.generate.remote(requests[: len(requests) // 4])  # warm
        facts = await bare.generate.remote(requests)
        speeds[limit] = facts["tokens"] / facts["wall_s"]
        ray.kill(bare)
    return speeds


async def run(args: argparse.Namespace) -> None:
    """Measure and report."""
    (rig,) = make_rigs([SETTING]).values()
    result: dict[str, Any] = {"machine": machine(), "command": " ".join(["python", *sys.argv])}
    result["shares"] = shares = await measure(rig, repeats=1 if args.quick else 3)
    gain = {share: facts["over_no_limit"][str(facts["best_limit"])] for share, facts in shares.items()}
    result["claims"] = {
        "best_limit_gains_less_than": {
            "limit": CLAIM,
            "found": gain,
            "passed": None if args.quick else all(g["median"] < 1 + CLAIM for g in gain.values()),
        }
    }
    save("cache_pressure", result, args=args)
    show("best limit over none", {f"cache for {share}": found for share, found in gain.items()})


def main() -> None:
    args = parser(__doc__ or "").parse_args()
    logging.getLogger("rl").setLevel(logging.WARNING)
    start_ray(SETTING.config())
    try:
        asyncio.run(run(args))
    finally:
        stop_ray()


if __name__ == "__main__":
    main()
