"""``t2rl advise``: the rules of today over the rows of a run."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from rl.records.advisories import RULES, Advice, Advisor
from rl.run.advice import held_out
from rl.views.run_view import RunView


def replay(view: RunView) -> Iterator[tuple[int, Advice]]:
    """(step, advice) as the rules would have said it while the run trained; stalls are not in the rows."""
    advisor = Advisor(RULES, settings=view.config())
    evaluations = held_out(view.evaluations())
    for row in view.metrics():
        so_far = [one for one in evaluations if one.version <= row["step"] + 1]
        for advice in advisor.update(row["step"], row, evaluations=so_far):
            yield row["step"], advice


def print_advice(path: Path, *, as_json: bool) -> None:
    """Print what was found, one line each, or as one JSON list.

    Raises:
        ValueError: there is no such run.
    """
    found = list(replay(RunView(path)))
    if as_json:
        print(json.dumps([{"step": step, **asdict(advice)} for step, advice in found], indent=1))
        return
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for step, advice in found:
        console.print(f"step {step}: {advice.line()}")
    if not found:
        console.print("no rule speaks")
