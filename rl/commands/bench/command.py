"""Start an engine for each weight format, run the load points, fit the cost, print and write what came
out."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from rich.console import Console
from rich.table import Table

from planner.cost.measured import MeasuredCost, cost_to_json, fit
from planner.cost.simulate import Arrival
from rl.commands.bench.accuracy import accuracy_of, texts_for
from rl.commands.bench.drive import Driver, Timed
from rl.commands.bench.measure import measured, observations, predicted, turnaround_of
from rl.commands.bench.points import WHOLE, BenchOptions, LoadPoint, load_points
from rl.commands.bench.quantised import BITS, write_quantised
from rl.commands.evaluate import resolve
from rl.config.schema import Config
from rl.engines.actors import engine_config
from rl.records.storage import require_file
from rollout.engine import EngineConfig, build_engine
from rollout.vllm_args import batched_tokens
from rollout.vllm_env import prepare_process

WARM_UP = 2
"""Requests of the longest prompt before anything is timed: memory is taken at first use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A finished load test."""

    model: str
    points: Sequence[LoadPoint]
    timed: Sequence[Sequence[Timed]]
    memory: dict[str, float]
    engine: EngineConfig
    bits: int = 0
    """Format of the weights; 0: as the config has them."""
    scores: Sequence[Sequence[float]] = ()
    """Log-probs of the texts that were to be scored."""

    def fitted(self, *, usd_per_hour: float = 0.0) -> MeasuredCost:
        """The cost fitted to all points; ValueError: fewer than three."""
        seen = [one for p, t in zip(self.points, self.timed, strict=True) for one in observations(p, t)]
        turnaround = turnaround_of(self.points, self.timed)
        return fit(seen, usd_per_hour=usd_per_hour, turnaround_s=turnaround)


def bench_cli(
    target: str, overrides: list[str], options: BenchOptions, *, to: Path | None, as_json: bool
) -> None:
    """Run, print a table or JSON, and write JSON to ``to``.

    Raises:
        ValueError: the user's input, before the engine starts.
    """
    config, model = resolve(Path(target), overrides)
    points = load_points(options, max_model_len=config.rollout.max_model_len)
    if wrong := set(options.bits) - {WHOLE, *BITS}:
        raise ValueError(f"--bits {min(wrong)}: the formats are {', '.join(map(str, (WHOLE, *BITS)))}")
    if len(points) < 3:
        raise ValueError(
            f"{len(points)} load points: a cost is fitted to at least 3; give --concurrency,"
            " --prompt-tokens or --answer-tokens more values"
        )
    if to is not None:
        require_file(to, field="--to")
    results = asyncio.run(_results(config, model, points, options))
    written = results[0] if len(results) == 1 else {"results": results}
    if to is not None:
        to.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print(json.dumps(written, indent=2))
        return
    for result in results:
        Console().print(table(result))
        print(_words(result))


async def _results(
    config: Config, model: Path, points: Sequence[LoadPoint], options: BenchOptions
) -> list[dict[str, Any]]:
    """One for each weight format, each on an engine of its own."""

    def tell(line: str) -> None:
        print(line, file=sys.stderr)

    price = config.cluster.price_per_gpu_hour or 0.0
    if not options.bits:
        tested = await load_test(config, model, points, seed=options.seed, tell=tell)
        return [result_of(tested, tested.fitted(usd_per_hour=price))]
    texts = texts_for(model, config)
    exact = with_dtype(config, "float32")
    reference = (await load_test(exact, model, (), tell=tell, texts=texts)).scores
    results = []
    with tempfile.TemporaryDirectory(prefix="t2rl-bench-") as folder:
        for bits in options.bits:
            # vLLM's int4 kernel for CPUs knows no float32; its int8 kernel takes both.
            some = config if bits == 8 else with_dtype(config, "bfloat16")
            served = model
            if bits != WHOLE:
                served = Path(folder) / f"{bits}" / model.resolve().name
                count = write_quantised(model, served, bits)
                tell(f"{count} weights quantised to {bits} bits")
            tested = await load_test(some, served, points, seed=options.seed, tell=tell, texts=texts)
            tested = replace(tested, bits=bits)
            result = result_of(tested, tested.fitted(usd_per_hour=price))
            results.append(result | {"accuracy": accuracy_of(tested.scores, reference)})
    return results


async def load_test(
    config: Config,
    model: Path,
    points: Sequence[LoadPoint],
    *,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
    texts: Sequence[Sequence[int]] = (),
) -> Tested:
    """Every load point, one after the other, on one engine of the config in this process; ``texts`` are
    scored first.

    Raises:
        ValueError: the engine cannot be set up so.
        EngineDead: it died.
    """
    process = psutil.Process()
    before = process.memory_info().rss
    engine_facts = engine_config(config, model, fixed_weights=True)
    prepare_process(engine_facts)
    if engine_facts.device == "cpu":  # the variables come too late for a torch that is imported
        torch.set_num_threads(engine_facts.num_threads)
    engine = build_engine(engine_facts)
    tell(f"loading {model}")
    await engine.start()
    try:
        loaded = process.memory_info().rss
        size = json.loads((model / "config.json").read_text(encoding="utf-8"))["vocab_size"]
        driver = Driver(engine, size, np.random.default_rng(seed))
        scores = await engine.score(texts) if texts else ()
        asked = [one for point in points for one in point.arrivals] or [Arrival(at=0, prompt=1, answer=1)]
        longest = max(asked, key=lambda one: one.prompt)
        longest = replace(longest, at=0, answer=min(longest.answer, 2))
        warm = LoadPoint(name="warm-up", arrivals=(longest,) * WARM_UP, concurrency=WARM_UP, facts={})
        await driver.run(warm)
        timed, peak = [], loaded
        for number, point in enumerate(points, 1):
            began = time.monotonic()
            timed.append(await driver.run(point))
            peak = max(peak, process.memory_info().rss)
            tell(f"[{number}/{len(points)}] {point.name}: {time.monotonic() - began:.1f} s")
    finally:
        await engine.stop()
    memory = {"loaded_mib": (loaded - before) / 2**20, "peak_mib": (peak - before) / 2**20}
    return Tested(
        model=model.resolve().name,
        points=points,
        timed=timed,
        memory=memory,
        engine=engine_facts,
        scores=scores,
    )


def with_dtype(config: Config, dtype: str) -> Config:
    """The same engine in another number format."""
    return config.model_copy(update={"rollout": config.rollout.model_copy(update={"dtype": dtype})})


def result_of(tested: Tested, cost: MeasuredCost) -> dict[str, Any]:
    """The result as it is written: settings, points as measured and as the fitted cost has them, the cost."""
    engine = tested.engine
    limits = {"max_seqs": engine.max_num_seqs, "max_batched_tokens": batched_tokens(engine)}
    rows = [
        {
            "name": point.name,
            **point.facts,
            "measured": asdict(measured(timed)),
            "predicted": predicted(point, cost, **limits),
        }
        for point, timed in zip(tested.points, tested.timed, strict=True)
    ]
    settings = {
        "backend": engine.backend,
        "device": engine.device,
        "dtype": engine.dtype,
        "num_threads": engine.num_threads,
        "max_model_len": engine.max_model_len,
        **limits,
    }
    return {
        "model": tested.model,
        "bits": tested.bits,
        "engine": settings,
        "memory": tested.memory,
        "points": rows,
        "cost": cost_to_json(cost),
    }


def table(result: dict[str, Any]) -> Table:
    """One line for each load point; seconds of tokens in ms, the model's in brackets."""
    bits = f", {result['bits']}-bit weights" if result["bits"] else ""
    engine = result["engine"]
    made = Table(title=f"{result['model']}: load test ({engine['dtype']}, {engine['device']}{bits})")
    for column in ("load", "tokens/s", "first token p50, p95 (ms)", "between p50, p95 (ms)", "seconds"):
        made.add_column(column, justify="left" if column == "load" else "right")
    for row in result["points"]:
        seen, said = row["measured"], row["predicted"]
        made.add_row(
            row["name"],
            f"{seen['tokens_per_s']:.1f} ({said['tokens_per_s']:.1f})",
            *(
                f"{1e3 * seen[f'{kind}_p50_s']:.1f}, {1e3 * seen[f'{kind}_p95_s']:.1f}"
                f" ({1e3 * said[f'{kind}_p50_s']:.1f})"
                for kind in ("first", "between")
            ),
            f"{seen['seconds']:.2f} ({said['seconds']:.2f})",
        )
    return made


def _words(result: dict[str, Any]) -> str:
    cost, accuracy = result["cost"], result.get("accuracy")
    terms = " + ".join(f"{value:.3g} {name}" for name, value in cost["seconds_for_each"].items())
    fitted = f"seconds of a step = {terms}; median error on load points left out {cost['held_out_error']:.1%}"
    if accuracy is None:
        return fitted
    return (
        f"{fitted}\nlog-probs of {accuracy['tokens']} tokens of plain text against float32 weights: mean"
        f" {accuracy['mean']:+.4f}, mean absolute difference {accuracy['mean_absolute']:.4f}, largest"
        f" {accuracy['largest']:.3f}; resident {result['memory']['loaded_mib']:.0f} MiB"
    )
