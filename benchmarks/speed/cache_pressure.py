"""The gain of a limit on the sequences in flight where the KV cache is too small for all of them.

    python -m benchmarks.speed.cache_pressure [--quick] [--json FILE]

vLLM takes sequences in while blocks are free, and when they run out it drops the cache of the youngest and
prefills it again later. A limit that adapts to the cache's use avoids that, at the price of smaller batches.
vLLM has one: a watermark, the share of the blocks that must be free before it takes another sequence in. The
best fixed limit, found by trying, is what it is held against. One engine on one core, 1,024 sequences of the
pipeline's long-tailed lengths at once, caches for a share of them: tokens per second with each limit and each
watermark, in turn within a repeat, over those with neither.

Claims. First, written before any run: the best fixed limit gains less than 5% (median) at every cache size,
so nothing adaptive is needed; a quick run spoke against it. Second, written before the first run with
watermarks: one of them, the same at every size, gives at least .95 of the best fixed limit (median of the
ratios within repeats), and at least .98 of no limit where the cache holds all sequences.
"""

import argparse
import asyncio
import logging
from dataclasses import replace
from typing import Any

import ray

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save, show, spread
from benchmarks.lib.rig import Mix, Rig, Setting, make_rigs
from benchmarks.speed.bare import BareEngine
from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.config.model import RecipeModelConfig
from rl.engines.actors import engine_config

SETTING = Setting(name="cache", overrides=("rollout.cores=[0]", "rollout.max_num_seqs=1024"))
MIX = Mix(name="long tail", prompt_tokens=24, median_tokens=40, sigma=0.9)
SHARES = (1.0, 0.5, 0.25)
"""Of the cache that all sequences need at their ends."""
NEITHER = "none"
LIMITS = {f"limit {n}": {"max_num_seqs": n} for n in (512, 256, 128)}
WATERMARKS = {f"watermark {w:g}": {"cache_watermark": w} for w in (0.1, 0.2, 0.4)}
WAYS: dict[str, dict[str, Any]] = {NEITHER: {}, **LIMITS, **WATERMARKS}
STEPS = 2
"""Of the pipeline's batches of 512 sequences, asked for at once."""
CLAIM = 0.05
OF_BEST_LIMIT, OF_NONE = 0.95, 0.98


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
    """Tokens per second by cache and way, the gain of every way, and the watermarks over the best limit."""
    requests = [group.request for step in range(STEPS) for group in rig.plan(MIX, step)]
    found: dict[str, Any] = {}
    for share in SHARES:
        size = cache_mib(rig, requests, share)
        rows = [await one_repeat(rig, requests, size, turned=bool(n % 2)) for n in range(repeats)]
        gains = {way: spread([row[way] / row[NEITHER] for row in rows]) for way in WAYS if way != NEITHER}
        best = max(LIMITS, key=lambda way: gains[way]["median"])
        found[f"{share:g}"] = {
            "cache_mib": size,
            "tokens_per_s": {way: spread([row[way] for row in rows]) for way in WAYS},
            "over_neither": gains,
            "best_limit": best,
            "over_best_limit": {way: spread([row[way] / row[best] for row in rows]) for way in WATERMARKS},
        }
        CONSOLE.print(f"cache for {share:g} of the sequences, {size} MiB: {gains}")
    return found


async def one_repeat(rig: Rig, requests: list[Any], size: int, *, turned: bool) -> dict[str, float]:
    """Tokens per second by way; each has an engine of its own, since it is fixed at the start."""
    speeds = {}
    for way in reversed(WAYS) if turned else WAYS:
        bare = ray.remote(BareEngine).options(num_cpus=1).remote()
        config = engine_config(rig.config, rig.model_path)
        await bare.start.remote(replace(config, **{"kv_cache_mib": size, **WAYS[way]}))
        await bare.generate.remote(requests[: len(requests) // 4])  # warm
        facts = await bare.generate.remote(requests)
        speeds[way] = facts["tokens"] / facts["wall_s"]
        ray.kill(bare)
    return speeds


def claims(shares: dict[str, Any]) -> dict[str, Any]:
    """Both claims, with what was found."""
    gain = {share: facts["over_neither"][facts["best_limit"]] for share, facts in shares.items()}
    by_mark = {
        way: {
            "over_best_limit": {share: facts["over_best_limit"][way] for share, facts in shares.items()},
            "over_neither_with_room": shares["1"]["over_neither"][way],
        }
        for way in WATERMARKS
    }
    good = [
        way
        for way, facts in by_mark.items()
        if all(ratio["median"] >= OF_BEST_LIMIT for ratio in facts["over_best_limit"].values())
        and facts["over_neither_with_room"]["median"] >= OF_NONE
    ]
    return {
        "best_limit_gains_less_than": {
            "limit": CLAIM,
            "found": gain,
            "passed": all(g["median"] < 1 + CLAIM for g in gain.values()),
        },
        "a_watermark_does_as_well": {
            "limit": {"of_best_limit": OF_BEST_LIMIT, "of_neither_with_room": OF_NONE},
            "found": by_mark,
            "which": good,
            "passed": bool(good),
        },
    }


async def run(args: argparse.Namespace) -> None:
    """Measure and report."""
    (rig,) = make_rigs([SETTING]).values()
    result: dict[str, Any] = {"machine": machine(), "command": command_line()}
    result["shares"] = shares = await measure(rig, repeats=1 if args.quick else 3)
    result["claims"] = None if args.quick else claims(shares)
    save("cache_pressure", result, args=args)
    show(
        "tokens per second over neither",
        {
            f"{way}, cache for {share}": facts["over_neither"][way]
            for way in (*LIMITS, *WATERMARKS)
            for share, facts in shares.items()
        },
    )


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
