"""What a weight push by Ray's object store costs beside one through shared memory, on one node.

    python -m benchmarks.speed.weight_sync [--quick] [--json FILE]

One learner, one engine, models of 1, 103 and 538 MB in float32; the two transports take turns on the same
actors.

* ``object_over_shm``: seconds from the learner's call to the engine that has confirmed, by ``object`` over by
  ``shm``, with nothing overlapped: the bytes are put into the store, fetched and copied once more on the way.
* ``waited_over_shm``: the same where the way from the learner's file to the node's goes on beside the next
  step, as it does in a run: what the learner (publishing) and the engine (checking and loading) stand still
  for.

Nothing crosses a network: on one node a fetch is a look into the same store.
"""

import asyncio
import logging
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save, show, spread
from benchmarks.lib.rig import Rig, Setting, make_rigs
from benchmarks.speed.overhead import LARGE, SMOLLM2, save_model
from rl.cluster.ray_runtime import start_ray, stop_ray

PINNED = Setting(
    name="pinned",
    overrides=(
        "stream.max_staleness=1",
        "rollout.cores=[0]",
        "learner.cores=[1]",
        "cluster.object_store_mib=2048",
    ),
)
WARM = 2
"""Pairs that are not counted: the learner has two files, and their pages and the store's are fresh."""
PARTS = ("publish", "carry", "push")


async def compare(rig: Rig, *, repeats: int) -> dict[str, Any]:
    """Pushes by shm and by object, in turn; the engine is idle."""
    rows = []
    for _ in range(WARM + repeats):
        size, shm = await _push(rig, by_object=False)
        _, by_object = await _push(rig, by_object=True)
        rows.append((shm, by_object))
    rows = rows[WARM:]
    detail = {
        f"{name}_{part}_ms": spread([row[index][part] * 1e3 for row in rows])
        for index, name in enumerate(("shm", "object"))
        for part in PARTS
    }
    waited = [(o["publish"] + o["push"]) / sum(s.values()) for s, o in rows]
    return {
        "bytes": size,
        "object_over_shm": spread([sum(o.values()) / sum(s.values()) for s, o in rows]),
        "waited_over_shm": spread(waited),
        **detail,
    }


async def _push(rig: Rig, *, by_object: bool) -> tuple[int, dict[str, float]]:
    """Bytes, and seconds of each of ``PARTS``."""
    sync = rig.sync(probe_every=0, by_object=by_object)
    rig.version += 1
    times = [time.perf_counter()]
    published = await sync.publish(rig.version)
    times.append(time.perf_counter())
    update = await published.ready()
    times.append(time.perf_counter())
    await sync.push(published)
    times.append(time.perf_counter())
    seconds = [later - earlier for earlier, later in pairwise(times)]
    return sum(tensor.num_bytes for tensor in update.tensors), dict(zip(PARTS, seconds, strict=True))


async def measure(*, repeats: int, sizes: int) -> dict[str, dict[str, Any]]:
    """By model; ``sizes`` of them, the smallest first."""
    tiny = make_rigs([PINNED])[PINNED.name]
    tokenizer, result = tiny.tokenizer, {}
    for name, shape in (("tiny", None), ("large", LARGE), ("smollm2", SMOLLM2))[:sizes]:
        with tempfile.TemporaryDirectory(prefix="t2rl-bench-") as directory:
            path = None if shape is None else save_model(Path(directory), tokenizer, shape)
            rig = tiny if path is None else Rig(PINNED, model_path=path, tokenizer=tokenizer)
            try:
                CONSOLE.print(f"starting the model {name}")
                await rig.start()
                result[name] = await compare(rig, repeats=repeats)
            finally:
                await rig.stop()
    return result


def main() -> None:
    """Measure, show, save."""
    args = parser(__doc__ or "").parse_args()
    logging.getLogger("rl").setLevel(logging.WARNING)
    facts = machine()
    start_ray(PINNED.config())
    try:
        repeats, sizes = (3, 2) if args.quick else (15, 3)
        detail = asyncio.run(measure(repeats=repeats, sizes=sizes))
    finally:
        stop_ray()
    ratios = ("object_over_shm", "waited_over_shm")
    rows: dict[str, dict[str, float]] = {}
    for found in detail.values():
        size = f"{found['bytes'] / 1e6:.1f} MB"
        rows |= {f"{size}, {key}": value for key, value in found.items() if key != "bytes"}
    show(f"weight sync ({facts['cpu']}, {facts['cores']} cores, {facts['date']})", rows)
    shares = {ratio: {name: found[ratio] for name, found in detail.items()} for ratio in ratios}
    command = command_line()
    save("weight_sync", {"machine": facts, "command": command, **shares, "detail": detail}, args=args)


if __name__ == "__main__":
    main()
