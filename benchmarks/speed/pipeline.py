"""How near asynchronous training comes to perfect overlap, and to the best synchronous layout of the same
cores.

    python -m benchmarks.speed.pipeline [--quick] [--json FILE] [--mix NAME] [--repeats N] [--steps N]
    [--merge]

Three fixed workloads; every step of one has the same requests, tokens and gradients. In each repeat the
measurements follow each other: the engine alone, the learner alone, then every way to run (turned round in
every second repeat), each with the pipeline full.

*Hardware of their own*: the engine has one core and the learner the other, in the synchronous run and the
others alike, as on a cluster with separate GPUs. The ways are ``max_staleness`` 0 (synchronous), 1 and 2,
each with whole batches and with ``stream.inside_batch``. The bound is (r + l) / max(r, l), with r and l the
seconds per step of rollout and learner alone; ``bound_share`` is steps per second over the synchronous
run's, over the bound.

*Same hardware*: ``over_colocated`` is steps per second over those of the faster of two synchronous layouts
that use both cores in either phase: two engines and two ranks that take turns, or one of each with two
threads.

A mix's headline is the way of the best median; all ways are in the file. With ``--merge``, mixes that the
file holds already stay, so that mixes can be measured one at a time. The file is written after each.
"""

import argparse
import asyncio
import json
import logging
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.lib.common import CONSOLE, RESULTS, command_line, machine, parser, save, show, spread
from benchmarks.lib.rig import Mix, Rig, RunFacts, Setting, make_rigs
from benchmarks.speed.alone import Alone, learner_alone, rollout_alone
from rl.cluster.ray_runtime import start_ray, stop_ray

MIXES = (
    Mix(name="1:1", prompt_tokens=32, median_tokens=64),
    Mix(name="2:1", prompt_tokens=32, median_tokens=64, solved_every=2),
    Mix(name="long tail", prompt_tokens=24, median_tokens=40, sigma=0.9),
)
"""Named by rollout : learner seconds."""

OWN = Setting(name="a core each", overrides=("rollout.cores=[0]", "learner.cores=[1]"))
SYNC = "staleness 0"
IN_PARTS = ", in parts"
WAYS: dict[str, tuple[str, ...]] = {
    f"staleness {bound}{IN_PARTS if parts else ''}": (
        f"stream.max_staleness={bound}",
        f"stream.inside_batch={str(parts).lower()}",
    )
    for bound in (0, 1, 2)
    for parts in (False, True)
}
"""Name -> overrides of a run with a core each; ``SYNC`` among them."""

COLOCATED = (
    Setting(
        name="2 engines and 2 ranks",
        overrides=(
            "stream.max_staleness=0",
            "rollout.cores=null",
            "rollout.num_engines=2",
            "learner.num_ranks=2",
            "learner.cores=[0,1]",
        ),
    ),
    Setting(
        name="2 threads each",
        overrides=(
            "stream.max_staleness=0",
            "rollout.cores=null",
            "learner.cores=null",
            "rollout.num_threads=2",
            "learner.num_threads=2",
        ),
    ),
)
FIRST_ALONE = 1 << 20
"""Step of the first plan drawn for the measurements alone: far from every version that trains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything."""

    repeats: int
    steps: int
    warm: int
    alone_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """One round of measurements."""

    rollout_alone: Alone
    learner_alone: Alone
    ways: dict[str, RunFacts]
    colocated: dict[str, RunFacts]

    @property
    def bound(self) -> float:
        """What perfect overlap would gain over synchronous training on the same hardware."""
        both = (self.rollout_alone.wall_s, self.learner_alone.wall_s)
        return sum(both) / max(both)

    def over_sync(self, way: str) -> float:
        """Steps per second of ``way`` over those of the synchronous run."""
        return self.ways[SYNC].step_s / self.ways[way].step_s

    def bound_share(self, way: str) -> float:
        """How much of the bound came true."""
        return self.over_sync(way) / self.bound

    def overlap_share(self, way: str) -> float:
        """The slower half alone over the step: what ``way`` itself falls short of."""
        return max(self.rollout_alone.wall_s, self.learner_alone.wall_s) / self.ways[way].step_s

    def over_colocated(self, way: str) -> float:
        """Steps per second of ``way`` over those of the faster colocated layout."""
        return min(facts.step_s for facts in self.colocated.values()) / self.ways[way].step_s


async def measure(plan: Plan, mix: Mix) -> list[Repeat]:
    """All repeats of one mix, on actors that are started once."""
    async with started([OWN, *COLOCATED]) as rigs:
        return [await one_repeat(plan, mix, rigs, number) for number in range(plan.repeats)]


async def one_repeat(plan: Plan, mix: Mix, rigs: dict[str, Rig], number: int) -> Repeat:
    """Everything once; every second time in the opposite order."""
    own, first = rigs[OWN.name], FIRST_ALONE + number * plan.alone_steps
    rollout, batches = await rollout_alone(own, mix, first=first, steps=plan.alone_steps)
    learner = await learner_alone(own, batches)
    runs = [(way, own, stream) for way, stream in WAYS.items()]
    runs += [(setting.name, rigs[setting.name], ()) for setting in COLOCATED]
    facts = {
        name: await rig.run(mix, steps=plan.steps, warm=plan.warm, stream=stream)
        for name, rig, stream in (runs if number % 2 == 0 else reversed(runs))
    }
    whole = [way for way in WAYS if IN_PARTS in way and facts[way].parts_per_batch <= 1]
    if whole:
        raise RuntimeError(f"{', '.join(whole)}: whole batches reached the learner; the log says why")
    repeat = Repeat(
        rollout_alone=rollout,
        learner_alone=learner,
        ways={way: facts[way] for way in WAYS},
        colocated={setting.name: facts[setting.name] for setting in COLOCATED},
    )
    CONSOLE.print(line(mix, repeat))
    return repeat


@asynccontextmanager
async def started(settings: list[Setting]) -> AsyncIterator[dict[str, Rig]]:
    """Rigs of these settings, by name, with their actors up."""
    rigs = make_rigs(settings)
    try:
        for rig in rigs.values():
            CONSOLE.print(f"starting: {rig.setting.name}")
            await rig.start()
        yield rigs
    finally:
        for rig in rigs.values():
            await rig.stop()


# -- reporting -----------------------------------------------------------------------------------------------


def line(mix: Mix, repeat: Repeat) -> str:
    """One repeat for the reader who waits."""
    steps = ", ".join(f"{name} {f.step_s:.2f}" for name, f in (repeat.ways | repeat.colocated).items())
    shares = ", ".join(f"{way} {repeat.bound_share(way):.2f}" for way in WAYS if way != SYNC)
    return (
        f"{mix.name}: alone rollout {repeat.rollout_alone.wall_s:.2f} learner"
        f" {repeat.learner_alone.wall_s:.2f}; seconds per step: {steps}; bound {repeat.bound:.2f}, share of"
        f" it: {shares}"
    )


def mix_result(mix: Mix, repeats: list[Repeat], load: list[float]) -> dict[str, Any]:
    """Spreads over the repeats, way by way, and where the time went."""
    figures = ("over_sync", "bound_share", "overlap_share", "over_colocated")
    return {
        "workload": asdict(mix),
        "load_before": load,
        "rollout_tokens_per_step": repeats[0].ways[SYNC].rollout_tokens,
        "bound": spread([r.bound for r in repeats]),
        "rollout_alone_s": spread([r.rollout_alone.wall_s for r in repeats]),
        "learner_alone_s": spread([r.learner_alone.wall_s for r in repeats]),
        "ways": {
            way: {figure: spread([getattr(r, figure)(way) for r in repeats]) for figure in figures}
            | profile([r.ways[way] for r in repeats])
            for way in WAYS
        },
        "colocated": {s.name: profile([r.colocated[s.name] for r in repeats]) for s in COLOCATED},
        "repeats": [asdict(r) for r in repeats],
    }


def profile(runs: list[RunFacts]) -> dict[str, Any]:
    """Where a step's seconds went, as medians over the repeats: the learner loop's turn, CPU by process, and
    the shares of both halves that were idle."""
    return {
        "step_s": spread([r.step_s for r in runs]),
        "learner_idle_share": spread([r.parts["wait_s"] / r.step_s for r in runs]),
        "engine_idle_share": spread([r.engine_idle_share for r in runs]),
        "parts_per_batch": statistics.median(r.parts_per_batch for r in runs),
        "learner_loop_s": {key: statistics.median(r.parts[key] for r in runs) for key in runs[0].parts},
        "cpu_s": {key: statistics.median(r.cpu[key] for r in runs) for key in runs[0].cpu},
    }


def headlines(mixes: dict[str, Any]) -> dict[str, Any]:
    """The two comparisons by mix, each with the way of its best median."""

    def best(figure: str) -> dict[str, Any]:
        found = {}
        for name, mix in mixes.items():
            ways = {way: figures[figure] for way, figures in mix["ways"].items()}
            way = max(ways, key=lambda way: ways[way]["median"])
            found[name] = {"way": way, **ways[way]}
        return found

    return {
        "own_hardware": {"bound_share": best("bound_share")},
        "same_hardware": {"over_colocated": best("over_colocated")},
    }


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument(
        "--mix", action="append", choices=[mix.name for mix in MIXES], help="only this one; may be repeated"
    )
    arguments.add_argument("--repeats", type=int, default=None)
    arguments.add_argument("--steps", type=int, default=None, help="timed steps of one run")
    arguments.add_argument("--merge", action="store_true", help="keep the other mixes of the result file")
    args = arguments.parse_args()
    plan = Plan(
        repeats=args.repeats or (1 if args.quick else 3),
        steps=args.steps or (2 if args.quick else 6),
        warm=1 if args.quick else 2,
        alone_steps=1 if args.quick else 3,
    )
    logging.getLogger("rl").setLevel(logging.WARNING)
    start_ray(Setting(name="ray", overrides=()).config())
    try:
        result = asyncio.run(everything(plan, [m for m in MIXES if not args.mix or m.name in args.mix], args))
    finally:
        stop_ray()
    rows = {
        f"{figure}, {name}, {found['way']}": found
        for part in ("own_hardware", "same_hardware")
        for figure, mixes in result[part].items()
        for name, found in mixes.items()
    }
    facts = result["machine"]
    show(f"pipeline ({facts['cpu']}, {facts['cores']} cores, {facts['date']})", rows)


async def everything(plan: Plan, mixes: list[Mix], args: argparse.Namespace) -> dict[str, Any]:
    """Measure mix by mix; what is done is on disk after each."""
    path = args.json or RESULTS / "pipeline.json"
    kept = json.loads(path.read_text(encoding="utf-8"))["mixes"] if args.merge and path.is_file() else {}
    result: dict[str, Any] = {"machine": machine(), "command": command_line()}
    result |= {"plan": asdict(plan), "mixes": kept}
    for mix in mixes:
        load = machine()["load_before"]
        result["mixes"][mix.name] = mix_result(mix, await measure(plan, mix), load)
        result |= headlines(result["mixes"])
        save("pipeline", result, args=args)
    return result


if __name__ == "__main__":
    main()
