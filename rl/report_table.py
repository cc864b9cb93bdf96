"""The table at the end of a run: before and after, and where everything is."""

import json
from pathlib import Path

from rich.console import Console

from rl.config.schema import Config
from rl.evaluate import Counts, read_counts
from rl.evaluation_summary import EvaluationSummary, render, summarise, to_json
from rl.records.metrics import read_metrics
from rl.records.rundir import RunDir


def summarise_run(run: RunDir, config: Config) -> EvaluationSummary:
    """First against last evaluation of a run.

    Raises:
        ValueError: the run has not been evaluated.
    """
    files = sorted(run.eval.glob("version-*.jsonl"))
    if not files:
        raise ValueError(f"{run.eval} holds no evaluation; the run did not get that far")
    before, after = _read(files[0], config), _read(files[-1], config)
    return summarise(after, before=before, ks=config.evaluation.ks, resamples=config.evaluation.bootstrap, seed=config.run.seed)


def print_summary(run: RunDir, config: Config, console: Console) -> None:
    """Print the table, write it to ``RUN/summary.json``, and say where the rest is."""
    summary = summarise_run(run, config)
    (run.path / "summary.json").write_text(json.dumps(to_json(summary), indent=2) + "\n", encoding="utf-8")
    console.print(render(summary, title=f"{run.path.name}: held-out {config.evaluation.split} set, before and after"))
    steps = read_metrics(run.metrics)
    if steps:
        tokens = steps[-1].get("rollout/total_tokens", 0)
        seconds = sum(row.get("time/step_s", 0.0) for row in steps)
        console.print(f"{len(steps)} steps, {tokens:,} sampled tokens, {seconds:.0f} s of training")
    console.print(f"run directory: {run.path} (metrics.jsonl, trace.json for ui.perfetto.dev, eval/, checkpoints/, model/)")


def _read(path: Path, config: Config) -> list[Counts]:
    return read_counts(path, max_tokens=config.rollout.max_tokens, top_p=config.rollout.top_p)
