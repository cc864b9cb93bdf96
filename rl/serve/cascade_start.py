"""Check, start and stop the models of a cascade: ``t2rl serve --cascade``."""

import asyncio
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from planner.cost.measured import MeasuredCost, read_costs
from rl.cluster.ray_runtime import needed_cpus, start_ray, stop_ray
from rl.commands.callers import for_callers
from rl.commands.listen import bound, listen
from rl.config.schema import Config
from rl.engines.fleet import EngineFleet
from rl.engines.serving import seated_fleet, side_by_side
from rl.records.cost.model import read_model_cost
from rl.serve.app import ServeService
from rl.serve.cascade import CascadeAnswerer, Price, Rung, Voice
from rl.serve.cascade_plan import CascadePlan, from_options, read_cascade
from rl.serve.command import Checked, ServeOptions, check, make_answerer, make_gate, serve_cli
from rl.serve.engines import SharedFleet

PROCESS_BYTES = 700 << 20
"""An engine's process on a CPU without weights and cache: torch, vLLM and their buffers."""
BYTES = {"float32": 4, "float": 4, "bfloat16": 2, "float16": 2, "half": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCascade:
    """Everything that can be had without an engine."""

    plan: CascadePlan
    models: Mapping[Path, Checked]
    """By directory as the plan has it, in the plan's order."""
    prices: Mapping[Path, Price]
    name: str
    same_tokens: bool
    options: ServeOptions

    @property
    def first(self) -> Checked:
        """The first rung's model, whose reward verifies for all."""
        return next(iter(self.models.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rungs:
    """The command's options that make a cascade."""

    further: Sequence[str] = ()
    """Models after the first."""
    agree: int = 4
    costs: Sequence[Path] = ()


def serve_any(target: str, overrides: list[str], options: ServeOptions, rungs: Rungs) -> None:
    """One model; a cascade where more models are given, or where ``target`` is its file.

    Raises:
        ValueError: the user's input, before anything starts.
        FleetDead: engines died and no restart was left.
    """
    if rungs.further:
        plan = from_options(target, rungs.further, samples=options.defaults.samples, agree=rungs.agree)
    elif Path(target).is_file():
        plan = read_cascade(Path(target))
    else:
        if rungs.costs:
            raise ValueError("--cost: it prices a cascade's answers; give --cascade too")
        serve_cli(target, overrides, options)
        return
    serve_cascade_cli(plan, overrides, options, name=options.name or "cascade", costs=rungs.costs)


def serve_cascade_cli(
    plan: CascadePlan, overrides: list[str], options: ServeOptions, *, name: str, costs: Sequence[Path]
) -> None:
    """Serve until interrupted.

    Raises:
        ValueError: the user's input, before anything starts.
        FleetDead: the engines of a model died and no restart was left.
    """
    checked = check_cascade(plan, overrides, options, name=name, costs=costs)
    with bound(options.host, options.port) as sock:
        start_ray(_for_all([one.config for one in checked.models.values()]))
        try:
            asyncio.run(_serve(checked, sock))
        finally:
            stop_ray()


def check_cascade(
    plan: CascadePlan, overrides: list[str], options: ServeOptions, *, name: str, costs: Sequence[Path]
) -> CheckedCascade:
    """Models, tokenizers, reward, prices and memory of a cascade.

    Raises:
        ValueError: naming the option or field, and the fix.
    """
    models: dict[Path, Checked] = {}
    for directory in dict.fromkeys(path for rung in plan.rungs for path in rung.models):
        models[directory] = _checked(directory, overrides, options, next(iter(models.values()), None))
    names = [name, *(one.name for one in models.values())]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise ValueError(
            f"{twice[0]} is the name of two models, or of a model and of the cascade, and requests name them;"
            " rename a directory, or give --name"
        )
    prices = prices_of(models, read_costs(costs))
    _require_memory(models, prices)
    vocabularies = [one.tokenizer.get_vocab() for one in models.values()]
    return CheckedCascade(
        plan=plan,
        models=models,
        prices=prices,
        name=name,
        same_tokens=all(one == vocabularies[0] for one in vocabularies[1:]),
        options=options,
    )


def _checked(directory: Path, overrides: list[str], options: ServeOptions, first: Checked | None) -> Checked:
    """A model, by its directory's name. One reward judges for all models: the first's."""
    if first is None:
        return check(str(directory), overrides, replace(options, name=None))
    defaults = replace(options.defaults, strategy=None)
    alone = replace(options, name=None, reward="none", reward_args=None, defaults=defaults)
    one = check(str(directory), overrides, alone)
    defaults = replace(one.chooser.defaults, strategy=options.defaults.strategy)
    chooser = replace(one.chooser, judge=first.chooser.judge, defaults=defaults)
    return replace(one, reward=first.reward, chooser=chooser)


def prices_of(
    models: Mapping[Path, Checked], measured: Mapping[tuple[str, int], MeasuredCost]
) -> dict[Path, Price]:
    """Prices of every model's tokens; ValueError: a measured cost is of no model that is served."""
    left, prices = dict(measured), {}
    for directory, one in models.items():
        shape = read_model_cost(one.model)
        if shape is None:
            raise ValueError(f"{one.model}: no safetensors, whose headers a price is read from")
        name = one.model.resolve().name
        own = left.pop((name, 0), None)
        if own is None and BYTES.get(one.config.rollout.dtype) == 2:
            own = left.pop((name, 16), None)
        prices[directory] = Price(shape=shape.shape, cost=own)
    if left:
        (name, bits), there = min(left), ", ".join(one.model.resolve().name for one in models.values())
        raise ValueError(
            f"--cost: measured for {name} at {bits} bits, which is not served here; the models are {there},"
            " as rollout.dtype has them (bits 0, or 16 for bfloat16)"
        )
    return prices


def _require_memory(models: Mapping[Path, Checked], prices: Mapping[Path, Price]) -> None:
    """ValueError if the engines on this machine's CPUs cannot be held together."""
    need = {}
    for directory, one in models.items():
        rollout, shape = one.config.rollout, prices[directory].shape
        if rollout.device == "cpu":
            weights = (shape.params + shape.embedding_params) * BYTES.get(rollout.dtype, 4)
            each = weights + (rollout.kv_cache_mib << 20) + PROCESS_BYTES
            need[one.name] = rollout.num_engines * each / 2**30
    free = psutil.virtual_memory().available / 2**30
    if sum(need.values()) > free:
        parts = ", ".join(f"{name} {gib:.1f}" for name, gib in need.items())
        raise ValueError(
            f"the engines of this cascade need about {sum(need.values()):.1f} GiB ({parts}), and"
            f" {free:.1f} GiB are free; rollout.num_engines=1, a smaller rollout.kv_cache_mib,"
            " rollout.dtype=bfloat16 or fewer models need less"
        )


def _for_all(configs: Sequence[Config]) -> Config:
    """The first config, with CPUs for the actors of all."""
    first = configs[0]
    if first.cluster.num_cpus is not None or first.cluster.address is not None:
        return first
    together = {"num_cpus": sum(needed_cpus(config) for config in configs)}
    return first.model_copy(update={"cluster": first.cluster.model_copy(update=together)})


@dataclass(frozen=True, slots=True)
class Fleets:
    """Fleets that live and die together."""

    all: Sequence[EngineFleet]

    async def start(self) -> None:
        """All of them, or none."""
        await asyncio.gather(*(fleet.start() for fleet in self.all))

    async def stop(self) -> None:
        """All of them."""
        await asyncio.gather(*(fleet.stop() for fleet in self.all))

    async def watch(self) -> None:
        """Raises FleetDead as soon as one of them has no restart left."""
        await asyncio.gather(*(fleet.watch() for fleet in self.all))


async def _serve(checked: CheckedCascade, sock: socket.socket) -> None:
    options = checked.options
    fleets = {path: seated_fleet(one.config, one.model) for path, one in checked.models.items()}
    shared = {path: SharedFleet(fleet, timeout_s=options.timeout_s) for path, fleet in fleets.items()}
    together = Fleets(list(fleets.values()))
    async with side_by_side(together, checked.first.verifiers):
        app = for_callers(make_cascade_service(checked, shared).app, options.token)
        port, rungs = sock.getsockname()[1], len(checked.plan.rungs)
        address = f"http://{options.host}:{port}/v1"
        line = f"serving {checked.name}, a cascade of {rungs}, at {address} (Ctrl-C ends it)"
        try:
            await listen(
                app,
                sock,
                watch=together.watch(),
                ready=lambda: print(line, file=sys.stderr, flush=True),
            )
        finally:
            await asyncio.gather(*(one.settle() for one in shared.values()))


def make_cascade_service(checked: CheckedCascade, shared: Mapping[Path, SharedFleet]) -> ServeService:
    """The application over started engines."""
    options, first = checked.options, checked.first
    voices = {
        path: Voice(
            name=one.name,
            answerer=make_answerer(one, shared[path]),
            price=checked.prices[path],
        )
        for path, one in checked.models.items()
    }
    answerer = CascadeAnswerer(
        rungs=tuple(
            Rung(voices=tuple(voices[path] for path in rung.models), samples=rung.samples, agree=rung.agree)
            for rung in checked.plan.rungs
        ),
        judge=first.chooser.judge,
        same_tokens=checked.same_tokens,
    )
    answerers = {checked.name: answerer} | {voice.name: voice.answerer for voice in voices.values()}
    return ServeService(answerers, make_gate(options), token=options.token, max_body=options.max_body)
