"""Asynchronous against synchronous training on the same two cores, and how near the overlap comes to perfect.

    python benchmarks/pipeline.py [--quick] [--json FILE] [--mix NAME] [--repeats N] [--steps N] [--staleness N]

Three fixed workloads; every step of one has the same requests, tokens and gradients. In each repeat the four measurements follow
each other: the engine alone, the learner alone, synchronous, asynchronous (the last two in turn first), and then:

* ``async_over_sync``: steps per second, asynchronous over synchronous, both with the pipeline full. Synchronous is
  ``max_staleness=0`` with one engine and one rank, each free to use both cores, at the threads that are fastest for the workload.
* ``bound_share``: ``async_over_sync`` over (rollout + learner) / max(rollout, learner), seconds per step measured alone, one core.
* ``async_over_colocated``: against another synchronous layout, two engines and two ranks that take turns on both cores.
"""

import asyncio
import logging
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.alone import Alone, learner_alone, rollout_alone
from benchmarks.common import CONSOLE, machine, parser, save, show, spread
from benchmarks.rig import Mix, Rig, RunFacts, Setting, make_rigs
from rl.ray_runtime import start_ray, stop_ray

MIXES = (
    Mix(name="1:1", prompt_tokens=32, median_tokens=64),
    Mix(name="2:1", prompt_tokens=32, median_tokens=64, solved_every=2),
    Mix(name="long tail", prompt_tokens=24, median_tokens=40, sigma=0.9),
)
"""Named by rollout : learner seconds."""

FREE = ("stream.max_staleness=0", "rollout.cores=null", "learner.cores=null")
SYNC = tuple(
    Setting(name=f"sync, {e} + {r} threads", overrides=(*FREE, f"rollout.num_threads={e}", f"learner.num_threads={r}"))
    for e, r in ((1, 1), (1, 2), (2, 2))
)
"""Engine + rank."""
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
    calibration_rounds: int
    """0: take the first synchronous setting."""
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

    def gain(self, baseline: str) -> float:
        """Steps per second of "async" over those of ``baseline``."""
        return self.runs[baseline].step_s / self.runs["async"].step_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything measured of one mix."""

    mix: Mix
    sync_setting: str
    calibration_step_s: dict[str, float]
    repeats: list[Repeat]


async def measure(plan: Plan, mixes: list[Mix]) -> list[Outcome]:
    """All mixes, all repeats, on actors that are started once."""
    asynchronous = Setting(
        name="async", overrides=(f"stream.max_staleness={plan.staleness}", "rollout.cores=[0]", "learner.cores=[1]")
    )
    candidates = SYNC if plan.calibration_rounds else SYNC[:1]
    settings = [asynchronous, *candidates, *([COLOCATED] if plan.colocated else [])]
    rigs = make_rigs(settings)
    try:
        for rig in rigs.values():
            CONSOLE.print(f"starting: {rig.setting.name}")
            await rig.start()
        return [await measure_mix(plan, mix, rigs, [s.name for s in candidates]) for mix in mixes]
    finally:
        for rig in rigs.values():
            await rig.stop()


async def measure_mix(plan: Plan, mix: Mix, rigs: dict[str, Rig], candidates: list[str]) -> Outcome:
    """Calibrate the synchronous setting, then repeat."""
    calibration = await calibrate(plan, mix, rigs, candidates) if plan.calibration_rounds else {}
    chosen = min(calibration, key=lambda name: calibration[name]) if calibration else candidates[0]
    modes = {"sync": rigs[chosen], "async": rigs["async"]} | ({"colocated": rigs[COLOCATED.name]} if plan.colocated else {})
    repeats = []
    for number in range(plan.repeats):
        first = FIRST_ALONE + number * plan.alone_steps
        rollout, batches = await rollout_alone(rigs["async"], mix, first=first, steps=plan.alone_steps)
        learner = await learner_alone(rigs["async"], batches)
        order = list(modes) if number % 2 == 0 else list(reversed(modes))
        runs = {mode: await modes[mode].run(mix, steps=plan.steps, warm=plan.warm) for mode in order}
        repeats.append(Repeat(rollout_alone=rollout, learner_alone=learner, runs=runs))
        CONSOLE.print(line(mix, repeats[-1]))
    return Outcome(mix=mix, sync_setting=chosen, calibration_step_s=calibration, repeats=repeats)


async def calibrate(plan: Plan, mix: Mix, rigs: dict[str, Rig], candidates: list[str]) -> dict[str, float]:
    """Fastest seconds per step of each synchronous setting, in rounds."""
    best: dict[str, float] = {}
    for _ in range(plan.calibration_rounds):
        for name in candidates:
            facts = await rigs[name].run(mix, steps=max(2, plan.steps // 2), warm=1)
            best[name] = min(best.get(name, facts.step_s), facts.step_s)
    CONSOLE.print(f"{mix.name}: seconds per step, " + "; ".join(f"{name}: {s:.2f}" for name, s in best.items()))
    return {name: round(s, 4) for name, s in best.items()}


# -- reporting -----------------------------------------------------------------------------------------------------------------


def line(mix: Mix, repeat: Repeat) -> str:
    """One repeat for the reader who waits."""
    steps = ", ".join(f"{mode} {facts.step_s:.2f}" for mode, facts in repeat.runs.items())
    return (
        f"{mix.name}: alone rollout {repeat.rollout_alone.wall_s:.2f} learner {repeat.learner_alone.wall_s:.2f}; seconds per step: "
        f"{steps}; async/sync {repeat.gain('sync'):.2f} of {repeat.bound:.2f} = {repeat.bound_share:.2f}"
    )


def mix_result(outcome: Outcome) -> dict[str, Any]:
    """Spreads over the repeats, and where the time went."""
    repeats = outcome.repeats
    modes = list(repeats[0].runs)
    gains = {f"async_over_{mode}": spread([r.gain(mode) for r in repeats]) for mode in modes if mode != "async"}
    return {
        "workload": asdict(outcome.mix),
        "rollout_tokens_per_step": repeats[0].runs["async"].rollout_tokens,
        "sync_setting": outcome.sync_setting,
        "calibration_step_s": outcome.calibration_step_s,
        **gains,
        "bound_share": spread([r.bound_share for r in repeats]),
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
    arguments.add_argument("--mix", action="append", choices=[mix.name for mix in MIXES], help="only this one; may be repeated")
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
        calibration_rounds=0 if quick else 2,
        colocated=not quick,
        staleness=args.staleness,
    )
    logging.getLogger("rl").setLevel(logging.WARNING)
    facts = machine()
    start_ray(Setting(name="ray", overrides=()).config())
    try:
        outcomes = asyncio.run(measure(plan, [m for m in MIXES if not args.mix or m.name in args.mix]))
    finally:
        stop_ray()
    everything = [repeat for outcome in outcomes for repeat in outcome.repeats]
    by_mix = {outcome.mix.name: mix_result(outcome) for outcome in outcomes}
    result = {
        "machine": facts,
        "command": " ".join(["python", *sys.argv]),
        "plan": asdict(plan),
        "async_over_sync": spread([r.gain("sync") for r in everything]),
        "bound_share": spread([r.bound_share for r in everything]),
        "mixes": by_mix,
    }
    shown = [key for key in next(iter(by_mix.values())) if key.startswith("async_over_")] + ["bound_share"]
    rows = {f"{key}, {name}": mix[key] for key in shown for name, mix in by_mix.items()}
    show(f"async over sync ({facts['cpu']}, {facts['cores']} cores, {facts['date']})", rows)
    save("pipeline", result, args=args)


if __name__ == "__main__":
    main()
