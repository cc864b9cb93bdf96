"""``t2rl rewards score``: a file of completions through the verifier pool."""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from rewards.processes.pool import VerifierPool
from rl.commands.findings import read_arguments
from rl.commands.rewards.rows import Group, groups_of, read_rows
from rl.commands.rewards.verdicts import Tally, verdict_stream, write_verdict
from rl.records.terminal import draws_over, progress_console
from rl.scorers.rules import check_of, rules_of
from rollout.types import RewardResult

GROUPS_AHEAD = 64
"""Groups a worker that may wait behind the oldest one: a verifier that hangs holds up no other."""
SHOWN_REASONS = 12


def score_file(
    reward: str,
    rows: Path,
    *,
    out: Path | None,
    args: str,
    timeout_s: float | None,
    workers: int,
    memory_mib: int | None,
    as_json: bool,
) -> None:
    """Judge every row, write one verdict for each in the same order, print what they amount to.

    Args:
        reward: A name in ``rewards.REWARDS``, ``file.py:attr`` or ``pkg.module:attr``.
        rows: JSON Lines file.
        out: Verdict file; None prints the verdicts, and the summary goes to standard error.
        args: The reward's arguments, a JSON object.
        timeout_s: Wall seconds for one completion; None = what suits the reward.
        workers: Verifier processes.
        memory_mib: Address space of each; 0 = unbounded, None = what suits the reward.
        as_json: Print the summary as JSON.

    Raises:
        ValueError: The reward, its arguments or a row is wrong, and nothing is written then; or it judged
            none of the rows.
    """
    arguments, rules = read_arguments(args), rules_of(reward)
    _check_paths(rows, out)
    check = check_of(reward, arguments)
    total = sum(1 for _ in read_rows(rows, required=rules.required, check=check))
    pool = VerifierPool(
        reward,
        arguments,
        num_workers=workers,
        timeout_s=rules.timeout_s if timeout_s is None else timeout_s,
        memory_mib=rules.memory_mib if memory_mib is None else memory_mib or None,
    )
    began = time.monotonic()
    with verdict_stream(out) as stream:
        tally = asyncio.run(
            _score(pool, groups_of(read_rows(rows)), stream, total=total, ahead=GROUPS_AHEAD * workers)
        )
    _show(
        reward,
        tally.summary() | {"seconds": round(time.monotonic() - began, 3)},
        to_stderr=out is None,
        as_json=as_json,
    )
    if tally.unjudged and tally.unjudged == tally.rows:
        raise ValueError(f"{reward} judged none of {tally.rows} rows: {tally.reasons.most_common(1)[0][0]}")


def _check_paths(rows: Path, out: Path | None) -> None:
    if not rows.is_file():
        raise ValueError(f"{rows}: no such file")
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}")
    if out is not None and out.is_dir():
        raise ValueError(f"--out {out}: is a folder; name a file in it")


async def _score(
    pool: VerifierPool, groups: Iterable[Group], stream: IO[str], *, total: int, ahead: int
) -> Tally:
    tally = Tally()
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    try:
        await pool.start()
        console = progress_console()
        with Progress(*columns, console=console, transient=True, disable=not draws_over(console)) as bar:
            task = bar.add_task("scoring", total=total)
            async with contextlib.aclosing(in_order(pool, groups, ahead=ahead)) as scored:
                async for results in scored:
                    for result in results:
                        write_verdict(stream, result)
                        tally.add(result)
                    stream.flush()
                    bar.advance(task, len(results))
    finally:
        await pool.close()
    return tally


async def in_order(
    pool: VerifierPool, groups: Iterable[Group], *, ahead: int
) -> AsyncGenerator[list[RewardResult]]:
    """The results [G] of each group, in the groups' order, with at most ``ahead`` groups begun; cancels the
    rest when closed."""
    pending: deque[asyncio.Task[list[RewardResult]]] = deque()
    try:
        for group in groups:
            pending.append(asyncio.create_task(pool.score(group.prompt, group.texts, group.truncated)))
            if len(pending) >= ahead:
                yield await pending[0]
                pending.popleft()
        while pending:
            yield await pending[0]
            pending.popleft()
    finally:
        for waiting in pending:
            waiting.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


def _show(reward: str, summary: dict[str, Any], *, to_stderr: bool, as_json: bool) -> None:
    console = Console(stderr=to_stderr)
    if as_json:
        console.out(json.dumps({"reward": reward, **summary}), highlight=False)
        return
    rows, unjudged, correct, mean = (summary[name] for name in ("rows", "unjudged", "correct", "mean_value"))
    share = (
        f"{correct} right ({100 * correct / (rows - unjudged):.1f}%), mean value {mean:.4g}, "
        if mean is not None
        else ""
    )
    lost = f"{unjudged} not judged, " if unjudged else ""
    console.print(
        f"{reward}: {rows} rows, {lost}{share}{summary['seconds']:.1f} s", highlight=False, markup=False
    )
    reasons = {reason: count for reason, count in summary["reasons"].items() if reason}
    table = Table.grid(padding=(0, 2))
    for reason, count in list(reasons.items())[:SHOWN_REASONS]:
        table.add_row(f"{count:8d}", reason.replace("[", r"\["))
    if len(reasons) > SHOWN_REASONS:
        table.add_row("", f"and {len(reasons) - SHOWN_REASONS} other reasons (--json has all)")
    console.print(table)
