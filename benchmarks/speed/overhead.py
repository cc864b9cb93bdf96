"""What T2RL costs on top of the libraries it drives.

    python -m benchmarks.speed.overhead [--quick] [--json FILE] [--only weights]

* ``rollout_share``: completion tokens per second of a rollout worker, asked group by group through Ray, over
  those of a bare ``LLMEngine`` with the same arguments, requests, seeds and order, which gets all of them at
  once.
* ``learner_share``: seconds of a bare DeepSpeed loop over ready micro-batches, over those of our learner from
  the batch in the controller to the result in the controller.
* ``weight_sync_over_memcpy``: milliseconds from learner to confirmed engine (written, hashed, read, hashed
  again, loaded, caches cleared), over those of one copy of the same bytes in memory; of a model of 100 MB,
  and of the tiny one and one of SmolLM2-135M's shape under ``weight_sync``.

Ours and bare take turns. All engines sit on core 0, all learners on core 1.
"""

import asyncio
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import ray

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save, show, spread
from benchmarks.lib.rig import Mix, Rig, Setting, make_rigs
from benchmarks.speed.alone import learner_alone, rollout_alone
from benchmarks.speed.bare import BareEngine, BareLearner
from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.engines.actors import engine_config

PINNED = Setting(
    name="pinned", overrides=("stream.max_staleness=1", "rollout.cores=[0]", "learner.cores=[1]")
)
MIX = Mix(name="overhead", prompt_tokens=32, median_tokens=64)
LARGE = {
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
}
"""About 100 MB in float32 with the tiny vocabulary."""
SMOLLM2 = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49_152,
}
"""SmolLM2-135M: 538 MB in float32."""


async def rollouts(rig: Rig, *, repeats: int, steps: int) -> dict[str, Any]:
    """Worker against bare engine on the requests of ``steps`` steps at once."""
    bare = ray.remote(BareEngine).options(num_cpus=1).remote()
    await bare.start.remote(engine_config(rig.config, rig.model_path))
    rows = []
    for number in range(-1, repeats):  # the first is for warming up
        requests = [g.request for step in range(steps) for g in rig.plan(MIX, max(number, 0) * steps + step)]
        order = [_bare_rollouts, _our_rollouts] if number % 2 == 0 else [_our_rollouts, _bare_rollouts]
        facts = {run.__name__: await run(rig, bare, requests) for run in order}
        ours, theirs = facts["_our_rollouts"], facts["_bare_rollouts"]
        assert ours["tokens"] == theirs["tokens"], "both must do the same work"
        rows.append({"ours": ours, "bare": theirs})
    ray.kill(bare)
    return _shares(rows[1:]) | {"tokens_per_s": _speeds(rows[1:])}


async def _bare_rollouts(rig: Rig, bare: Any, requests: list[Any]) -> dict[str, float]:
    return await bare.generate.remote(requests)


async def _our_rollouts(rig: Rig, bare: Any, requests: list[Any]) -> dict[str, float]:
    cpu, started = rig.cpu_seconds()["engine"], time.perf_counter()
    groups = await asyncio.gather(*(rig.fleet.generate(r, timeout_s=300) for r in requests))
    wall = time.perf_counter() - started
    facts = {"wall_s": wall, "cpu_s": rig.cpu_seconds()["engine"] - cpu}
    await _sync(rig, probe=False)  # empties the prefix cache, as the bare engine's is
    return facts | {"tokens": float(sum(len(c.token_ids) for group in groups for c in group))}


async def training(rig: Rig, *, repeats: int) -> dict[str, Any]:
    """Learner against bare DeepSpeed, one step each in turn."""
    bare = ray.remote(BareLearner).options(num_cpus=1).remote()
    await bare.start.remote(rig.config.learner, str(rig.model_path))
    _, batches = await rollout_alone(rig, MIX, first=0, steps=2)
    rows = []
    for number in range(-1, repeats):
        batch = batches[number % len(batches)]
        if number % 2 == 0:
            theirs = await bare.train.remote(batch)
            ours = await learner_alone(rig, [batch])
        else:
            ours = await learner_alone(rig, [batch])
            theirs = await bare.train.remote(batch)
        rows.append({"ours": {"wall_s": ours.wall_s, "cpu_s": ours.cpu_s}, "bare": theirs})
    ray.kill(bare)
    return _shares(rows[1:])


async def weight_sync(rig: Rig, *, repeats: int) -> dict[str, Any]:
    """Sync against a copy of the same bytes, in turn; the engine is idle."""
    rows = []
    for _ in range(repeats + 1):
        size, publish_s, push_s = await _sync(rig, probe=False)
        _, *probed = await _sync(rig, probe=True)
        rows.append(
            {
                "sync": publish_s + push_s,
                "publish": publish_s,
                "push": push_s,
                "probed": sum(probed),
                "copy": _copy_s(size),
            }
        )
    rows = rows[1:]
    milliseconds = {f"{key}_ms": spread([row[key] * 1e3 for row in rows]) for key in rows[0]}
    return {"bytes": size, "over_memcpy": spread([row["sync"] / row["copy"] for row in rows]), **milliseconds}


async def _sync(rig: Rig, *, probe: bool) -> tuple[int, float, float]:
    """Bytes, and seconds to publish and to push the learner's weights as the next version."""
    sync = rig.sync(probe_every=1 if probe else 0)
    await sync.calibrate(timeout_s=60)
    rig.version += 1
    started = time.perf_counter()
    published = await sync.publish(rig.version)
    middle = time.perf_counter()
    await sync.push(published)
    size = sum(tensor.num_bytes for tensor in published.update.tensors)
    return size, middle - started, time.perf_counter() - middle


def _copy_s(num_bytes: int) -> float:
    """Median seconds of a copy between two buffers that are in memory already."""
    source, target = np.ones(num_bytes, dtype=np.uint8), np.zeros(num_bytes, dtype=np.uint8)
    times = []
    for _ in range(9):
        started = time.perf_counter()
        np.copyto(target, source)
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def _shares(rows: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Bare seconds over ours, by wall clock and by CPU of the process."""
    return {
        "share": spread([r["bare"]["wall_s"] / r["ours"]["wall_s"] for r in rows]),
        "cpu_share": spread([r["bare"]["cpu_s"] / r["ours"]["cpu_s"] for r in rows]),
        "repeats": rows,
    }


def _speeds(rows: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {who: spread([r[who]["tokens"] / r[who]["wall_s"] for r in rows]) for who in ("ours", "bare")}


def save_model(directory: Path, tokenizer: Any, shape: dict[str, int]) -> Path:
    """A Llama of this shape with random weights, saved where the engine and the learner find it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        **{"vocab_size": len(tokenizer), "max_position_embeddings": 512, "tie_word_embeddings": True} | shape
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


async def measure(*, repeats: int, steps: int, only_weights: bool) -> dict[str, Any]:
    """Everything, on one rig for the tiny model and one for each large one."""
    rig = make_rigs([PINNED])[PINNED.name]
    try:
        CONSOLE.print("starting the tiny model")
        await rig.start()
        result: dict[str, Any] = {}
        if not only_weights:
            result["rollout"] = await rollouts(rig, repeats=repeats, steps=steps)
            CONSOLE.print("rollouts measured")
            result["learner"] = await training(rig, repeats=2 * repeats)
        result["weight_sync"] = {"tiny": await weight_sync(rig, repeats=4 * repeats)}
    finally:
        await rig.stop()
    for name, shape in (("large", LARGE), ("smollm2", SMOLLM2)):
        with tempfile.TemporaryDirectory(prefix="t2rl-bench-") as directory:
            model_path = save_model(Path(directory), rig.tokenizer, shape)
            large = Rig(PINNED, model_path=model_path, tokenizer=rig.tokenizer)
            try:
                CONSOLE.print(f"starting the model {name}")
                await large.start()
                result["weight_sync"][name] = await weight_sync(large, repeats=2 * repeats)
            finally:
                await large.stop()
    return result


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--only", choices=["weights"], help="the weight push alone; give --json as well")
    args = options.parse_args()
    only_weights = args.only is not None
    if only_weights and args.json is None:
        options.error("--only weights needs --json: it holds a part of the results")
    logging.getLogger("rl").setLevel(logging.WARNING)
    facts = machine()
    start_ray(PINNED.config())
    try:
        repeats, steps = (2, 1) if args.quick else (7, 3)
        detail = asyncio.run(measure(repeats=repeats, steps=steps, only_weights=only_weights))
    finally:
        stop_ray()
    syncs = detail["weight_sync"]
    shares = {f"{part}_share": detail[part]["share"] for part in ("rollout", "learner") if part in detail}
    shares["weight_sync_over_memcpy"] = syncs["large"]["over_memcpy"]
    rows = dict(shares)
    for part in ("rollout", "learner"):
        if part in detail:
            rows[f"{part}_share by CPU seconds"] = detail[part]["cpu_share"]
    for sync in syncs.values():
        rows |= {
            f"weight sync, {sync['bytes'] / 1e6:.1f} MB, {key.replace('_ms', '')} (ms)": sync[key]
            for key in sync
            if "_ms" in key
        } | {f"weight sync, {sync['bytes'] / 1e6:.1f} MB, over memcpy": sync["over_memcpy"]}
    show(f"overhead ({facts['cpu']}, {facts['cores']} cores, {facts['date']})", rows)
    save(
        "overhead",
        {"machine": facts, "command": command_line(), **shares, "detail": detail},
        args=args,
    )


if __name__ == "__main__":
    main()
