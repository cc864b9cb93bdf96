"""Asynchronous against synchronous training on the same two cores, and how near the overlap comes to perfect.

    python -m benchmarks.speed.pipeline [--quick] [--json FILE] [--mix NAME] [--repeats N] [--steps N]
    [--staleness N]

Three fixed workloads; every step of one has the same requests, tokens and gradients. First each side's
settings are timed, and for each workload the fastest of each side is taken. Then in each repeat the
measurements follow each other: the engine alone, the learner alone, synchronous, asynchronous (the last two
in turn first), and then:

* ``async_over_sync``: steps per second, asynchronous over synchronous, both with the pipeline full.
  Synchronous is ``max_staleness=0`` with one engine and one rank, each free to use both cores.
* ``bound_share``: ``async_over_sync`` over (rollout + learner) / max(rollout, learner), seconds per step
  measured alone, on one core. A synchronous side that is faster than rollout + learner, because it uses the
  second core too, lowers it.
* ``overlap_share``: max(rollout, learner) over the asynchronous step: what the asynchronous side itself falls
  short of.
* ``async_over_colocated``: against another synchronous layout, two engines and two ranks that take turns on
  both cores.

The result file is written after each workload.
"""

import argparse
import asyncio
import logging
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.lib.common import CONSOLE, machine, parser, save, show, spread
from benchmarks.lib.rig import Mix, Rig, RunFacts, Setting, make_rigs
from benchmarks.speed.alone import Alone, learner_alone, rollout_alone
from rl.cluster.ray_runtime import start_ray, stop_ray

MIXES = (
    Mix(name="1:1", prompt_tokens=32, median_tokens=64),
    Mix(name="2:1", prompt_tokens=32, median_tokens=64, solved_every=2),
    Mix(name="long tail", prompt_tokens=24, median_tokens=40, sigma=0.9),
)
"""Named by rollout : learner seconds."""

FREE = ("rollout.cores=null", "learner.cores=null")
SYNC = tuple(
    Setting(
        name=f"sync, {e} + {r} threads",
        overrides=("stream.max_staleness=0", *FREE, f"rollout.num_threads={e}", f"learner.num_threads={r}"),
    )
    for e, r in ((2, 2), (1, 2))
)
"""Engine + rank."""
PINNED = Setting(name="async, a core each", overrides=("rollout.cores=[0]", "learner.cores=[1]"))
ASYNC = (
    PINNED,
    Setting(name="async, 2 engines and 1 rank", overrides=(*FREE, "rollout.num_engines=2")),
)
"""More threads than cores in one process, and pushing at once, were tried and are slower (docs/log.md)."""
COLOCATED = Setting(
    name="sync, 2 engines and 2 ranks",
    overrides=(
        "stream.max_staleness=0",
        "rollout.cores=null",
        "rollout.num_engines=2",
        "learner.num_ranks=2",
        "learner.cores=[0,1]",
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
    calibration_steps: int
    """0: take the first setting of each side."""
    colocated: bool
    staleness: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """One round of measurements."""

    rollout_alone: Alone
    learner_alone: Alone
    runs: dict[str, RunFacts]

    @property
    def bound(self) -> float:
        """What perfect overlap would gain."""
        both = (self.rollout_alone.wall_s, self.learner_alone.wall_s)
        return sum(both) / max(both)

    @property
    def bound_share(self) -> float:
        """How much of it came true."""
        return self.gain("sync") / self.bound

    @property
    def overlap_share(self) -> float:
        """The slower half alone over the asynchronous step."""
        return max(self.rollout_alone.wall_s, self.learner_alone.wall_s) / self.runs["async"].step_s

    def gain(self, baseline: str) -> float:
        """Steps per second of "async" over those of ``baseline``."""
        return self.runs[baseline].step_s / self.runs["async"].step_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything measured of one mix."""

    mix: Mix
    settings: dict[str, str]
    """Mode -> name of its setting."""
    calibration_step_s: dict[str, float]
    repeats: list[Repeat]


async def calibrate(plan: Plan, mixes: list[Mix]) -> dict[str, dict[str, float]]:
    """Mix -> setting -> seconds per step. Each setting has the machine to itself."""
    timed: dict[str, dict[str, float]] = {mix.name: {} for mix in mixes}
    for setting in (*SYNC, *ASYNC):
        async with started([at(setting, plan)]) as rigs:
            for mix in mixes:
                facts = await rigs[setting.name].run(mix, steps=plan.calibration_steps, warm=2)
                timed[mix.name][setting.name] = round(facts.step_s, 4)
                CONSOLE.print(f"{mix.name}: {setting.name}: {facts.step_s:.2f} s per step")
    return timed


async def measure(plan: Plan, mix: Mix, timed: dict[str, float]) -> Outcome:
    """All repeats of one mix, on actors that are started once."""
    sync, asynchronous = (min(side, key=lambda s: timed.get(s.name, 0.0)) for side in (SYNC, ASYNC))
    chosen = {"sync": sync, "async": asynchronous} | ({"colocated": COLOCATED} if plan.colocated else {})
    async with started(
        [at(s, plan) for s in {s.name: s for s in (*chosen.values(), PINNED)}.values()]
    ) as rigs:
        repeats = []
        for number in range(plan.repeats):
            first = FIRST_ALONE + number * plan.alone_steps
            rollout, batches = await rollout_alone(
                rigs[PINNED.name], mix, first=first, steps=plan.alone_steps
            )
            learner = await learner_alone(rigs[PINNED.name], batches)
            order = list(chosen) if number % 2 == 0 else list(reversed(chosen))
            runs = {
                mode: await rigs[chosen[mode].name].run(mix, steps=plan.steps, warm=plan.warm)
                for mode in order
            }
            repeats.append(Repeat(rollout_alone=rollout, learner_alone=learner, runs=runs))
            CONSOLE.print(line(mix, repeats[-1]))
    names = {mode: setting.name for mode, setting in chosen.items()}
    return Outcome(mix=mix, settings=names, calibration_step_s=timed, repeats=repeats)


def at(setting: Setting, plan: Plan) -> Setting:
    """The asynchronous settings at the staleness asked for."""
    bound = (f"stream.max_staleness={plan.staleness}",) if setting in ASYNC else ()
    return Setting(name=setting.name, overrides=(*setting.overrides, *bound))


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
    steps = ", ".join(f"{mode} {facts.step_s:.2f}" for mode, facts in repeat.runs.items())
    return (
        f"{mix.name}: alone rollout {repeat.rollout_alone.wall_s:.2f} learner"
        f" {repeat.learner_alone.wall_s:.2f}; seconds per step: {steps}; async/sync {repeat.gain('sync'):.2f}"
        f" of {repeat.bound:.2f} = {repeat.bound_share:.2f}, overlap {repeat.overlap_share:.2f}"
    )


def mix_result(outcome: Outcome) -> dict[str, Any]:
    """Spreads over the repeats, and where the time went."""
    repeats = outcome.repeats
    modes = list(repeats[0].runs)
    gains = {
        f"async_over_{mode}": spread([r.gain(mode) for r in repeats]) for mode in modes if mode != "async"
    }
    return {
        "workload": asdict(outcome.mix),
        "rollout_tokens_per_step": repeats[0].runs["async"].rollout_tokens,
        "settings": outcome.settings,
        "calibration_step_s": outcome.calibration_step_s,
        **gains,
        "bound_share": spread([r.bound_share for r in repeats]),
        "overlap_share": spread([r.overlap_share for r in repeats]),
        "bound": spread([r.bound for r in repeats]),
        "rollout_alone_s": spread([r.rollout_alone.wall_s for r in repeats]),
        "learner_alone_s": spread([r.learner_alone.wall_s for r in repeats]),
        "step_s": {mode: spread([r.runs[mode].step_s for r in repeats]) for mode in modes},
        "profile": {mode: profile([r.runs[mode] for r in repeats]) for mode in modes},
        "repeats": [asdict(r) for r in repeats],
    }


def profile(runs: list[RunFacts]) -> dict[str, dict[str, float]]:
    """Medians over the repeats, seconds per step: of the learner loop's turn, and CPU by process."""
    return {
        "learner_loop_s": {key: statistics.median(r.parts[key] for r in runs) for key in runs[0].parts},
        "cpu_s": {key: statistics.median(r.cpu[key] for r in runs) for key in runs[0].cpu},
    }


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument(
        "--mix", action="append", choices=[mix.name for mix in MIXES], help="only this one; may be repeated"
    )
    arguments.add_argument("--repeats", type=int, default=None)
    arguments.add_argument("--steps", type=int, default=None, help="timed steps of one repeat")
    arguments.add_argument("--staleness", type=int, default=1, help="max_staleness of the asynchronous side")
    args = arguments.parse_args()
    quick = args.quick
    plan = Plan(
        repeats=args.repeats or (2 if quick else 5),
        steps=args.steps or (2 if quick else 8),
        warm=1 if quick else 3,
        alone_steps=1 if quick else 3,
        calibration_steps=0 if quick else 6,
        colocated=not quick,
        staleness=args.staleness,
    )
    logging.getLogger("rl").setLevel(logging.WARNING)
    facts = machine()
    start_ray(Setting(name="ray", overrides=()).config())
    try:
        result = asyncio.run(
            everything(plan, [m for m in MIXES if not args.mix or m.name in args.mix], facts, args)
        )
    finally:
        stop_ray()
    mixes = result["mixes"]
    shown = [key for key in next(iter(mixes.values())) if key.startswith("async_over_")] + [
        "bound_share",
        "overlap_share",
    ]
    rows = {f"{key}, {name}": mix[key] for key in shown for name, mix in mixes.items()}
    show(f"async over sync ({facts['cpu']}, {facts['cores']} cores, {facts['date']})", rows)


async def everything(
    plan: Plan, mixes: list[Mix], facts: dict[str, Any], args: argparse.Namespace
) -> dict[str, Any]:
    """Calibrate, then measure mix by mix; what is done is on disk after each."""
    timed = await calibrate(plan, mixes) if plan.calibration_steps else {mix.name: {} for mix in mixes}
    result: dict[str, Any] = {
        "machine": facts,
        "command": " ".join(["python", *sys.argv]),
        "plan": asdict(plan),
        "mixes": {},
    }
    repeats: list[Repeat] = []
    for mix in mixes:
        outcome = await measure(plan, mix, timed[mix.name])
        repeats += outcome.repeats
        result["mixes"][mix.name] = mix_result(outcome)
        for key in ("bound_share", "overlap_share"):
            result[key] = spread([getattr(r, key) for r in repeats])
        result["async_over_sync"] = spread([r.gain("sync") for r in repeats])
        save("pipeline", result, args=args)
    return result


if __name__ == "__main__":
    main()
