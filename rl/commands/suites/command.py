"""``t2rl eval MODEL... --suite``: several models on named suites, one table."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from rl.cluster.gpus import require_gpus
from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.commands.suites.evaluate import Asked, evaluate_model, without_training
from rl.commands.suites.facts import read_results
from rl.commands.suites.figures import figures, spent, to_json
from rl.commands.suites.tables import table_of
from rl.commands.suites.targets import Target, targets_of
from rl.evaluation.suites import load_suite
from rl.evaluation.suites.packaged import packaged_file
from rl.evaluation.suites.task import Shots, shots_of, suite_file
from rl.records.phases import Phases
from rl.records.storage import require_writable

RESAMPLES = 10_000


def suites_cli(
    words: Sequence[str],
    suites: str,
    *,
    data: Path | None,
    problems: int | None,
    samples: int,
    temperature: float,
    greedy: bool,
    max_tokens: int | None,
    chat: bool | None,
    shots: str,
    shots_file: str,
    stop: Sequence[str],
    stop_token_ids: Sequence[int],
    compare: bool,
    confidence: float,
    to: Path | None,
    as_json: bool,
) -> None:
    """Evaluate what is not evaluated yet, print the table or its JSON, and say where everything is.

    Raises:
        ValueError: the user's input: a model, a suite or its file.
    """
    if not greedy and not samples:
        raise ValueError("--no-greedy with --samples 0 leaves nothing to ask; give --samples 1 or more")
    targets = targets_of(words, to=to)
    if compare and len(targets) < 2:
        raise ValueError("--compare needs two models at least: the first is what the others are held against")
    waiting = [target for target in targets if target.model is not None]
    wanted = names_of(suites)
    files = suite_files(suites, data) if waiting else {}
    asked = Asked(
        suites=files,
        problems=problems,
        samples=samples,
        temperature=temperature,
        greedy=greedy,
        max_tokens=max_tokens,
        chat=chat,
        shots=shots_wanted(shots, shots_file, files),
        stop=tuple(filter(None, map(unescaped, stop))) if stop else None,
        stop_token_ids=tuple(stop_token_ids),
    )
    for target in waiting:
        require_writable(target.out, field="--to")
    if waiting:
        _evaluate(waiting, asked, Phases())
    results = [read_results(target.label, target.out, only=wanted or None) for target in targets]
    found = figures(results, compare=compare, confidence=confidence, resamples=RESAMPLES)
    costs = spent(results)
    if as_json:
        print(json.dumps(to_json(results, found, costs), indent=2))
    else:
        labels = [target.label for target in targets]
        Console().print(table_of(labels, found, costs, confidence=confidence))
    for target in targets:
        print(f"{target.label}: counts and samples in {target.out}", file=sys.stderr)


def _evaluate(targets: Sequence[Target], asked: Asked, phases: Phases) -> None:
    assert targets[0].config is not None
    config = without_training(targets[0].config)
    require_gpus(config)
    phases("starting Ray")
    start_ray(config)
    try:
        for target in targets:
            asyncio.run(evaluate_model(target, asked, phases))
    finally:
        stop_ray()


def names_of(suites: str) -> list[str]:
    """``gsm8k=FILE,ifeval`` -> ``[gsm8k, ifeval]``."""
    return [part.partition("=")[0].strip() for part in suites.split(",") if part.strip()]


def suite_files(suites: str, data: Path | None) -> dict[str, Path]:
    """The file of every suite: named behind it, or found in the data directory.

    Raises:
        ValueError: no such suite, or no file.
    """
    found = {}
    for part in filter(None, map(str.strip, suites.split(","))):
        name, _, given = part.partition("=")
        load_suite(name)
        if given:
            found[name] = Path(given).expanduser()
        elif (packaged := packaged_file(name)) is not None:
            found[name] = packaged
        elif data is None:
            raise ValueError(f"--suite {name}: give --data DIR, where its file is, or name it: {name}=FILE")
        else:
            found[name] = suite_file(name, data)
    if not found:
        raise ValueError("--suite: name at least one, such as gsm8k,ifeval")
    return found


def shots_wanted(shots: str, files: str, suites: Mapping[str, Path]) -> dict[str, Shots]:
    """Worked examples of each suite.

    Args:
        shots: ``5``, for all suites whose rows have worked answers, or ``gsm8k=5,mbpp=3``.
        files: where they come from, ``gsm8k=FILE``; else from the train split's file beside the suite's.
        suites: name -> file, of the command.

    Raises:
        ValueError: no number, a suite that is not asked, one without worked answers, no file.
    """
    given = dict(_pair(part, "--shots") for part in shots.split(",") if "=" in part)
    alone = [part for part in shots.split(",") if part.strip() and "=" not in part]
    sources = dict(_pair(part, "--shots-file") for part in files.split(",") if part.strip())
    if strange := [name for name in (*given, *sources) if name not in suites]:
        raise ValueError(f"--shots, --shots-file: {strange[0]} is not among --suite {','.join(suites)}")
    numbers = {name: _number(count) for name, count in given.items()}
    if alone:
        everywhere = {name: _number(alone[-1]) for name in suites if load_suite(name).worked is not None}
        numbers = everywhere | numbers
    return {
        name: shots_of(
            name,
            count,
            file=Path(sources[name]).expanduser() if name in sources else None,
            beside=suites[name].parent,
        )
        for name, count in numbers.items()
    }


def _pair(part: str, option: str) -> tuple[str, str]:
    name, sign, value = part.partition("=")
    if not sign:
        raise ValueError(f"{option}: {part!r} names no suite; write NAME={part}")
    return name.strip(), value.strip()


def _number(text: str) -> int:
    if not text.strip().isdigit():
        raise ValueError(f"--shots: {text!r} is no number; write 5, or gsm8k=5,mbpp=3")
    return int(text)


def unescaped(text: str) -> str:
    """Line feeds and tabs as a command line can hold them: ``\\n`` and ``\\t``."""
    return text.replace("\\n", "\n").replace("\\t", "\t")
