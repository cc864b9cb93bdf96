"""What it costs to keep every rollout, and to watch a run.

    python -m benchmarks.speed.records [--quick] [--json FILE] [--steps N] [--repeats N]

Arms take turns, each a quickstart of its own without evaluations between steps: ``none`` keeps no rollouts,
``all`` keeps them with their texts, ``tokens`` with every token's id and log-probs, ``watched`` is ``all``
with ``t2rl watch`` beside it and one reader that holds its stream of events open and fetches figures whenever
the run has gone on, as a page does.

* ``step_ratio``: median step of the arm over that of ``none`` in the same round. Steps of one run differ by
  more than what is looked for, so this is noisy.
* ``records_share``: CPU seconds of the writing thread over the seconds of the step (``time/records_s``),
  which noise does not reach. The thread runs beside the step, on a core that the step may want.
* ``watch_core_share``: CPU seconds of the ``t2rl watch`` process over the seconds that the run trained: of
  one core.
* ``bytes_a_step``: of the Parquet files.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.lib.common import machine, parser, save, show, spread
from rl.views.run_view import RunView

WARM_UP = 5
"""Steps at the start of a run that are not counted."""
ARMS = {
    "none": ["records.rollouts=none"],
    "all": [],
    "tokens": ["records.tokens=true"],
    "watched": [],
}
FIGURES = ("reward", "pass_rate", "entropy", "held_out")
"""About as many as a screen shows."""


def train(folder: Path, arm: str, *, steps: int) -> dict[str, float]:
    """One run of an arm; its figures."""
    words = [
        sys.executable,
        "-m",
        "t2rl",
        "train",
        "quickstart",
        "--quiet",
        f"run.dir={folder}",
        f"run.name={arm}",
    ]
    words += [
        f"run.steps={steps}",
        "evaluation.every=0",
        "evaluation.num_prompts=20",
        "checkpoint.every=0",
        "tracker=none",
    ]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    with (
        (folder / f"{arm}.log").open("w") as log,
        subprocess.Popen([*words, *ARMS[arm]], stdout=log, stderr=log, env=environment) as process,
        watching(folder / arm) if arm == "watched" else _nobody() as watch,
    ):
        code = process.wait()
    if code != 0:
        raise RuntimeError(f"{arm} failed:\n{(folder / f'{arm}.log').read_text()[-2000:]}")
    return figures(RunView(folder / arm), watch)


def figures(run: RunView, watch: dict[str, float]) -> dict[str, float]:
    """The figures of a finished run."""
    rows = run.metrics()[WARM_UP:]
    step_s = statistics.median(row["time/step_s"] for row in rows)
    found = {"step_s": step_s} | watch
    if all("time/records_s" in row for row in rows):
        found["records_share"] = sum(r["time/records_s"] for r in rows) / sum(r["time/step_s"] for r in rows)
        sizes = [file.path.stat().st_size for file in run.rollout_files()]
        found["bytes_a_step"] = statistics.median(sizes)
    return found


@contextmanager
def _nobody() -> Iterator[dict[str, float]]:
    yield {}


@contextmanager
def watching(run: Path) -> Iterator[dict[str, float]]:
    """``t2rl watch`` and one reader of it, from the run's first row on; filled at the end."""
    found: dict[str, float] = {}
    while not (run / "metrics.jsonl").is_file():
        time.sleep(0.2)
    words = [sys.executable, "-m", "t2rl", "watch", str(run), "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = re.search(r"http://\S+/", process.stderr.readline())
        assert address is not None
        own, started = psutil.Process(process.pid), time.monotonic()
        before = own.cpu_times()
        reader = threading.Thread(target=read_along, args=(address[0] + f"api/runs/{run.name}",), daemon=True)
        reader.start()
        try:
            yield found
            after = own.cpu_times()
            spent = after.user + after.system - before.user - before.system
            found["watch_core_share"] = spent / (time.monotonic() - started)
        finally:
            process.terminate()


def read_along(address: str) -> None:
    """As the page does: hold the stream open, and fetch what is on the screen when the run has gone on."""
    with httpx.Client(timeout=60) as client, client.stream("GET", f"{address}/events") as stream:
        try:
            for line in stream.iter_lines():
                if line.startswith("event: figures"):
                    for name in FIGURES:
                        client.get(f"{address}/figures/{name}")
        except httpx.TransportError:  # the server has left
            return


def main() -> None:
    """Run, print, keep."""
    options = parser(__doc__ or "")
    options.add_argument("--steps", type=int, default=60, help="of each run")
    options.add_argument("--repeats", type=int, default=3, help="rounds of all arms")
    args = options.parse_args()
    steps, repeats = (12, 1) if args.quick else (args.steps, args.repeats)
    result: dict[str, Any] = {"machine": machine(), "steps": steps, "rounds": []}
    with tempfile.TemporaryDirectory(prefix="t2rl-records-") as scratch:
        for number in range(repeats):
            names = list(ARMS)[number % len(ARMS) :] + list(ARMS)[: number % len(ARMS)]
            folder = Path(scratch) / str(number)
            folder.mkdir()
            result["rounds"].append({arm: train(folder, arm, steps=steps) for arm in names})
    result["figures"] = summary(result["rounds"])
    print(json.dumps(result["figures"], indent=2))
    show("records", result["figures"])
    save("records", result, args=args)


def summary(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """``{min, median, max}`` over the rounds of each figure, by its name and arm."""
    found = {}
    for arm in ARMS:
        if arm != "none":
            ratios = [one[arm]["step_s"] / one["none"]["step_s"] for one in rounds]
            found[f"step_ratio, {arm}"] = spread(ratios)
        for name in ("records_share", "bytes_a_step", "watch_core_share"):
            values = [one[arm][name] for one in rounds if name in one[arm]]
            if values:
                found[f"{name}, {arm}"] = spread(values)
    return found


if __name__ == "__main__":
    main()
