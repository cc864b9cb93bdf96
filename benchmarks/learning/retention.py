"""What does training on arithmetic cost elsewhere?

Models of ``benchmarks.learning.real_model`` (``t2rl train smollm2``, 25 steps) beside their base on the
packaged retention suites: 60 requests with one constraint each (``t2rl eval --suite instructions``), and the
likelihood of 72 passages of plain English, in float32.

    python -m benchmarks.learning.retention                       # every finished run of real_model
    python -m benchmarks.learning.retention --runs DIR [DIR ...]  # runs that lie elsewhere

Claims, written before the first run (95% intervals over problems and seeds; three seeds):

1. ``text``: bits a byte rise by at most 2% of the base's, at the upper end of the interval.
2. ``instructions``: the share of requests followed greedily falls by less than .10 at the estimate.
3. ``told_apart``: it falls, with an interval below 0. (No expectation; what 60 requests can tell.)
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.learning.learning import ROOT, per_problem
from benchmarks.learning.real_model import CONFIG, over_seeds
from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from rl.config.load import load_config
from rl.evaluation.suites.packaged import TEXT
from rl.run.prepare.inputs import locate_model
from rl.tasks.encoding import added_tokens, bare_ids
from rl.views.evaluations import evaluation_file, read_counts

RESULTS = ROOT / "runs" / "benchmarks" / "retention"


def bits_per_byte(model: Path, passages: int | None) -> np.ndarray:
    """[passages] of the packaged text, under the weights on disk."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    texts = [part.strip() for part in TEXT.read_text(encoding="utf-8").split("\n\n") if part.strip()][
        :passages
    ]
    front, _ = added_tokens(tokenizer)
    found = []
    for text, ids in zip(texts, bare_ids(tokenizer, texts), strict=True):
        tokens = torch.tensor([[*front, *ids]])
        with torch.no_grad():
            logprobs = policy(tokens).logits[0, :-1].log_softmax(-1)
        nats = -logprobs.gather(-1, tokens[0, 1:, None]).sum()
        found.append(float(nats) / np.log(2) / len(text.encode()))
    return np.array(found)


def instructions(model: Path, out: Path, problems: int | None) -> dict[str, Any]:
    """Metric -> [problems], and what it took."""
    limit = [] if problems is None else ["--problems", str(problems)]
    settings = ["rollout.dtype=bfloat16", "--samples", "0"]
    command = [sys.executable, "-m", "rl.cli", "eval", str(model), "--suite", "instructions", *settings]
    began = time.monotonic()
    subprocess.run([*command, *limit, "--to", str(out), "--json"], check=True, stdout=subprocess.DEVNULL)
    folder = out / model.name
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))["suites"]["instructions"]
    file = evaluation_file(folder / "instructions", 0)
    (counts,) = read_counts(file, max_tokens=facts["max_tokens"], top_p=1)
    return {
        "greedy": per_problem(counts),
        "tokens": sum(row["tokens"] for row in counts.rows) / len(counts.rows),
        "cut": sum(row["truncated"] for row in counts.rows) / len(counts.rows),
        "seconds": time.monotonic() - began,
    }


def asked(model: Path, out: Path, *, quick: bool) -> dict[str, Any]:
    """Everything about one model."""
    found = instructions(model, out, 4 if quick else None)
    return found | {"bits a byte": bits_per_byte(model, 4 if quick else None)}


def measure(base: Path, runs: Mapping[str, Path], *, quick: bool) -> dict[str, Any]:
    """The base once, then every run's final model."""
    before = asked(base, RESULTS / "base", quick=quick)
    after = {name: asked(run / "model", RESULTS / name, quick=quick) for name, run in runs.items()}
    metrics = ("greedy", "bits a byte")
    pooled = {m: over_seeds([(before[m], one[m]) for one in after.values()]) for m in metrics}
    text, greedy = pooled["bits a byte"], pooled["greedy"]
    return {
        "over_seeds": pooled,
        "models": {
            name: {m: round(float(np.mean(one[m])), 4) for m in (*metrics, "tokens", "cut", "seconds")}
            for name, one in {"base": before, **after}.items()
        },
        "problems": {m: len(before[m]) for m in metrics},
        "claims": {
            "text": text["high"] <= 0.02 * text["before"],
            "instructions": greedy["estimate"] > -0.10,
            "told_apart": greedy["high"] < 0,
        },
    }


def show(result: dict[str, Any]) -> None:
    """The table over seeds, and the claims."""
    seeds = len(result["models"]) - 1
    table = Table("figure", "base", "trained", "difference (95%)", title=f"{seeds} trained models")
    for name, row in result["over_seeds"].items():
        span = f"{row['estimate']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})"
        table.add_row(name, f"{row['before']:.4f}", f"{row['after']:.4f}", span)
    CONSOLE.print(table)
    CONSOLE.print(result["claims"])


def finished(directory: Path) -> dict[str, Path]:
    """Label -> run of what ``benchmarks.learning.real_model`` has finished in its directory."""
    manifest = directory / "manifest.json"
    facts = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
    return {
        one["label"].replace(", ", "-").replace(" ", "-"): directory / key / "run"
        for key, one in facts.items()
    }


def main() -> None:
    made = parser(__doc__ or "")
    made.add_argument("--runs", type=Path, nargs="+", default=[], help="instead of those of real_model")
    args: argparse.Namespace = made.parse_args()
    runs = {str(run).strip("/").replace("/", "-"): run for run in args.runs} or finished(
        ROOT / "runs" / "benchmarks" / "real_model"
    )
    if not runs:
        raise SystemExit("no finished run; start python -m benchmarks.learning.real_model, or give --runs")
    base = locate_model(load_config(CONFIG, []))
    command = command_line()
    result = {"machine": machine(), "command": command} | measure(base, runs, quick=args.quick)
    show(result)
    save("retention", result, args=args)


if __name__ == "__main__":
    main()
