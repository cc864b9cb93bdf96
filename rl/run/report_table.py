"""The table at the end of a run: before and after, and where everything is."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from rl.config.schema import Config
from rl.evaluation.gain import extra_correct_since_base, tokens_per_correct
from rl.evaluation.suite_results import render_suites, suite_lines
from rl.evaluation.suite_results import to_json as suites_to_json
from rl.evaluation.summary import EvaluationSummary, render, summarise, to_json
from rl.records.cost.lines import cost_lines
from rl.records.jsonl import read_jsonl
from rl.records.metrics import live_rows, read_metrics
from rl.records.rundir import RunDir
from rl.run.checkpoint import CheckpointStore
from rl.run.saver import held_out_score
from rl.views.evaluations import Counts, evaluation_file, read_counts

logger = logging.getLogger(__name__)


def summarise_run(run: RunDir, config: Config) -> EvaluationSummary:
    """First against last evaluation of a run.

    Raises:
        ValueError: the run has not been evaluated.
    """
    files = [
        file
        for file in sorted(run.eval.glob("version-*.jsonl"))
        if file <= evaluation_file(run.eval, _steps(run))
    ]
    if not files:
        raise ValueError(f"{run.eval} holds no evaluation; the run did not get that far")
    before, after = _read(files[0], config), _read(files[-1], config)
    if not _comparable(before, after):
        logger.warning(
            "the first evaluation was of other problems or other sampling, accepted at a resume: no before is"
            " shown"
        )
        return summarise(
            after, ks=config.evaluation.ks, resamples=config.evaluation.bootstrap, seed=config.run.seed
        )
    return summarise(
        after,
        before=before,
        ks=config.evaluation.ks,
        resamples=config.evaluation.bootstrap,
        seed=config.run.seed,
    )


def print_summary(run: RunDir, config: Config, console: Console, *, as_json: bool = False) -> None:
    """Print the table, write it to ``RUN/summary.json``, and say where the rest is. ``as_json`` prints one
    object instead: ``{run, steps, summary}``, with ``suites`` where the run has some."""
    summary = summarise_run(run, config)
    lines = to_json(summary)
    (run.path / "summary.json").write_text(json.dumps(lines, indent=2) + "\n", encoding="utf-8")
    suites = suite_lines(run.eval, upto=_steps(run), resamples=config.evaluation.bootstrap)
    if suites:
        text = json.dumps(suites_to_json(suites), indent=2) + "\n"
        (run.path / "suites.json").write_text(text, encoding="utf-8")
    if as_json:
        more = {"suites": suites_to_json(suites)} if suites else {}
        print(json.dumps({"run": str(run.path), "steps": _steps(run), "summary": lines, **more}))
        return
    console.print(
        render(summary, title=f"{run.path.name}: held-out {config.evaluation.split} set, before and after")
    )
    if suites:
        console.print(render_suites(suites))
    steps = read_metrics(run.metrics)
    if steps:
        tokens = steps[-1].get("rollout/total_tokens", 0)
        seconds = sum(row.get("time/step_s", 0.0) for row in steps)
        console.print(f"{len(steps)} steps, {tokens:,} sampled tokens, {seconds:.0f} s of training")
        for line in cost_lines(steps, per_correct=_per_correct(run, config, steps), lost=_lost(run)):
            console.print(line, highlight=False, soft_wrap=True)
    best = (
        CheckpointStore(run, keep=1, score=held_out_score(run, config)).best()
        if config.checkpoint.keep_best
        else None
    )
    if best is not None:
        console.print(
            f"best checkpoint by held-out pass@1: step {best.step} (t2rl export {run.path} --step best)"
        )
    console.print(
        f"run directory: {run.path} (metrics.jsonl, trace.json for ui.perfetto.dev, eval/, checkpoints/,"
        " model/)"
    )


def _per_correct(run: RunDir, config: Config, steps: Sequence[dict[str, Any]]) -> float | None:
    """Tokens per right answer gained from the base to the end."""
    extra = extra_correct_since_base(run.eval, len(steps), config.evaluation.temperature)
    return tokens_per_correct(steps[-1].get("cost/total_rollout_tokens", 0), extra)


def _lost(run: RunDir) -> list[dict[str, Any]]:
    """Rows of steps that a later attempt trained again."""
    rows = read_jsonl(run.metrics)
    live = {(row["attempt"], row["step"]) for row in live_rows(rows)}
    return [row for row in rows if "step" in row and (row["attempt"], row["step"]) not in live]


def _steps(run: RunDir) -> int:
    """Return the steps of the lineage: an earlier attempt may have gone further, from a checkpoint that was
    then gone back behind."""
    rows = read_metrics(run.metrics) if run.metrics.is_file() else []
    return int(rows[-1]["step"]) + 1 if rows else 0


def _comparable(before: list[Counts], after: list[Counts]) -> bool:
    """True if the same problems were asked with the same sampling, as many times or not."""
    earlier = {c.sampling.key: {row["id"] for row in c.rows} for c in before}
    return all(earlier.get(c.sampling.key) == {row["id"] for row in c.rows} for c in after)


def _read(path: Path, config: Config) -> list[Counts]:
    return read_counts(path, max_tokens=config.rollout.max_tokens, top_p=config.rollout.top_p)
