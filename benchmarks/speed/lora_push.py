"""What it costs to push an adapter merged, and what to push it alone and have vLLM add it to the base.

    python -m benchmarks.speed.lora_push [--quick] [--json FILE]

Same base, same adapter (``learner.lora``, all linear layers, rank 8), same prompts, fixed completion lengths.
They take turns; each has an engine on core 0 and a learner rank on core 1.

* ``bytes``: of one push.
* ``publish_ms``: the learner merges (or scales), writes and hashes; ``push_ms``: the engine hashes, loads,
  clears its caches. The engine is idle, so no sequence is prefilled again.
* ``tokens_per_s``: completion tokens of a step's groups over the seconds until the last is in;
  ``tokens_per_cpu_s``: over the engine's CPU seconds.
"""

import asyncio
import logging
import time
from typing import Any

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save, show, spread
from benchmarks.lib.rig import Mix, Rig, Setting, make_rigs
from benchmarks.speed.alone import rollout_alone
from rl.cluster.ray_runtime import start_ray, stop_ray

COMMON = ("stream.max_staleness=1", "rollout.cores=[0]", "learner.cores=[1]", "learner.lora.r=8")
SETTINGS = [
    Setting(name=push, overrides=(*COMMON, f"learner.lora.push={push}")) for push in ("merged", "adapter")
]
MIX = Mix(name="lora", prompt_tokens=32, median_tokens=64)


async def measure(rig: Rig, *, first: int, steps: int, pushes: int) -> dict[str, float]:
    """One turn: a few pushes (their median), then rollouts of ``steps`` steps."""
    costs = sorted([await _push(rig) for _ in range(pushes)], key=lambda cost: cost["sync_ms"])
    alone, batches = await rollout_alone(rig, MIX, first=first, steps=steps)
    tokens = sum(int(batch.loss_mask.sum()) for batch in batches) / steps
    return costs[len(costs) // 2] | {
        "tokens_per_s": tokens / alone.wall_s,
        "tokens_per_cpu_s": tokens / alone.cpu_s,
    }


async def _push(rig: Rig) -> dict[str, float]:
    sync = rig.sync(probe_every=0)
    rig.version += 1
    started = time.perf_counter()
    published = await sync.publish(rig.version)
    middle = time.perf_counter()
    await sync.push(published)
    ended = time.perf_counter()
    return {
        "bytes": float(sum(tensor.num_bytes for tensor in published.update.tensors)),
        "publish_ms": (middle - started) * 1e3,
        "push_ms": (ended - middle) * 1e3,
        "sync_ms": (ended - started) * 1e3,
    }


async def compare(rigs: dict[str, Rig], *, repeats: int, steps: int, pushes: int) -> dict[str, Any]:
    """Turns in both orders; the first round warms up."""
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in rigs}
    for number in range(repeats + 1):
        for name in rows if number % 2 else reversed(rows):
            rows[name].append(await measure(rigs[name], first=number * steps, steps=steps, pushes=pushes))
    facts = {
        name: {key: spread([row[key] for row in turns[1:]]) for key in turns[0]}
        for name, turns in rows.items()
    }
    pairs = list(zip(rows["adapter"][1:], rows["merged"][1:], strict=True))
    ratios = {key: spread([a[key] / m[key] for a, m in pairs]) for key in pairs[0][0]}
    return facts | {"adapter_over_merged": ratios}


async def run(*, repeats: int, steps: int, pushes: int) -> dict[str, Any]:
    """Start both rigs, compare, stop."""
    rigs = make_rigs(SETTINGS)
    try:
        for rig in rigs.values():
            await rig.start()
        return await compare(rigs, repeats=repeats, steps=steps, pushes=pushes)
    finally:
        for rig in rigs.values():
            await rig.stop()


def main() -> None:
    args = parser(__doc__ or "").parse_args()
    logging.basicConfig(level=logging.WARNING)
    facts = machine()
    start_ray(SETTINGS[0].config())
    try:
        sizes = (
            {"repeats": 3, "steps": 2, "pushes": 5}
            if args.quick
            else {"repeats": 7, "steps": 2, "pushes": 11}
        )
        result = asyncio.run(run(**sizes))
    finally:
        stop_ray()
    for name, rows in result.items():
        show(name, rows)
    CONSOLE.print(facts)
    save(
        "lora_push",
        {"machine": facts, "command": command_line(), "sizes": sizes, **result},
        args=args,
    )


if __name__ == "__main__":
    main()
