"""Load points: which requests an engine gets, and when."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from planner.cost.simulate import Arrival

WHOLE = 16
"""Bits of weights that are not quantised: bfloat16."""
ROUNDS = 3
"""Requests of a closed load point for each one at work, where no number is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPoint:
    """Requests with their arrivals: closed (``concurrency`` at work at any time) or open (by the clock)."""

    name: str
    arrivals: tuple[Arrival, ...]
    concurrency: int | None = None
    facts: dict[str, Any]
    """The options that made it, for the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """Options of the command."""

    concurrency: tuple[int, ...] = (1, 2, 4, 8)
    prompt_tokens: tuple[int, ...] = (32, 128)
    answer_tokens: tuple[int, ...] = (32,)
    arrival_rate: tuple[float, ...] = ()
    """Requests a second, at random (Poisson)."""
    trace: Path | None = None
    requests: int | None = None
    """Number for each load point; default: three rounds of a closed one, 32 of an open one."""
    seed: int = 0
    bits: tuple[int, ...] = ()
    """Weight formats: 16, 8, 4; none: as the config has them."""


def load_points(options: BenchOptions, *, max_model_len: int) -> list[LoadPoint]:
    """Closed points for every combination, then open ones, then the trace.

    Raises:
        ValueError: naming the option and the fix.
    """
    points = []
    for prompt, answer in itertools.product(options.prompt_tokens, options.answer_tokens):
        if prompt < 1 or answer < 1 or prompt + answer > max_model_len:
            raise ValueError(
                f"--prompt-tokens {prompt} and --answer-tokens {answer}: both at least 1, and together at"
                f" most rollout.max_model_len={max_model_len}"
            )
        facts = {"prompt_tokens": prompt, "answer_tokens": answer}
        for concurrency in options.concurrency:
            count = options.requests or ROUNDS * concurrency
            points.append(
                LoadPoint(
                    name=f"{concurrency} at work, {prompt} + {answer}",
                    arrivals=(Arrival(at=0, prompt=prompt, answer=answer),) * count,
                    concurrency=concurrency,
                    facts=facts | {"concurrency": concurrency},
                )
            )
        for rate in options.arrival_rate:
            rng = np.random.default_rng(options.seed)
            at = np.cumsum(rng.exponential(1 / rate, options.requests or 32))
            points.append(
                LoadPoint(
                    name=f"{rate:g} a second, {prompt} + {answer}",
                    arrivals=tuple(Arrival(at=float(t), prompt=prompt, answer=answer) for t in at - at[0]),
                    facts=facts | {"arrival_rate": rate},
                )
            )
    if options.trace is not None:
        points.append(read_trace(options.trace, options, max_model_len=max_model_len))
    return points


def read_trace(file: Path, options: BenchOptions, *, max_model_len: int) -> LoadPoint:
    """The first requests of a JSONL of arrivals: ``t`` seconds (or ``t_ms``), ``in`` and ``out`` tokens. With
    one ``--arrival-rate`` time is stretched to it; requests that are too long for the model are shortened in
    proportion, and counted.

    Raises:
        ValueError: naming file, line and what is wrong.
    """
    if not file.is_file():
        raise ValueError(f"--trace {file}: no such file")
    arrivals, shortened, wanted = [], 0, options.requests or 32
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(itertools.islice(lines, wanted), 1):
            try:
                row = json.loads(line)
                at = float(row["t"] if "t" in row else row["t_ms"] / 1000)
                prompt, answer = int(row["in"]), int(row["out"])
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(
                    f"--trace {file}, line {number}: expected t (seconds) or t_ms, in, out ({error!r})"
                ) from error
            share = min(1.0, max_model_len / max(prompt + answer, 1))
            shortened += share < 1
            answer = max(1, int(answer * share))
            prompt = max(1, min(int(prompt * share), max_model_len - answer))
            arrivals.append(Arrival(at=at, prompt=prompt, answer=answer))
    if len(arrivals) < 2:
        raise ValueError(f"--trace {file}: {len(arrivals)} requests; it needs at least 2")
    first, last = arrivals[0].at, arrivals[-1].at
    rate = (len(arrivals) - 1) / (last - first) if last > first else float("inf")
    stretch = rate / options.arrival_rate[0] if len(options.arrival_rate) == 1 and last > first else 1.0
    return LoadPoint(
        name=f"trace {file.name}",
        arrivals=tuple(replace(one, at=(one.at - first) * stretch) for one in arrivals),
        facts={"trace": file.name, "arrival_rate": rate / stretch, "shortened": shortened},
    )


def parse_numbers(option: str, text: str, kind: type[int] | type[float] = int) -> tuple[Any, ...]:
    """Numbers above 0, separated by commas.

    Raises:
        ValueError: naming the option.
    """
    try:
        numbers: Sequence[Any] = [kind(word) for word in text.split(",")]
    except ValueError as error:
        raise ValueError(f"{option} {text}: expected numbers separated by commas, as 1,2,4") from error
    if any(number <= 0 for number in numbers):
        raise ValueError(f"{option} {text}: every number must be above 0")
    return tuple(numbers)
