"""The work of ``t2rl samples``."""

import json
import sys
from pathlib import Path

from rich.console import Console

from rl.commands.samples.choose import Asked, choose
from rl.commands.samples.export import pair_rows, sft_rows, write_rows
from rl.commands.samples.show import show, show_versions
from rl.records.jsonl import plain
from rl.views.run_view import RunView


def samples_cli(
    path: Path,
    asked: Asked,
    *,
    limit: int,
    pairs: Path | None,
    sft: Path | None,
    most: int,
    as_json: bool,
) -> None:
    """Choose rollouts of a run; print them, or write rows of them.

    Raises:
        ValueError: the run kept none, a name is not there, or a file cannot be written.
    """
    chosen = choose(RunView(path), asked)
    if pairs is not None or sft is not None:
        rows = chosen.table.to_pylist()
        for file, made, option in ((pairs, pair_rows, "--pairs"), (sft, sft_rows, "--sft")):
            if file is not None:
                count = write_rows(made(rows, most=most), file, option=option)
                print(f"{file}: {count:,} rows")
        return
    shown = chosen.table.slice(0, limit).to_pylist()
    if as_json:
        for row in shown:
            print(json.dumps(plain(row), ensure_ascii=False))
        return
    console = Console(highlight=False)
    if asked.prompt is not None and shown:
        show_versions(chosen.table.to_pylist(), console, evaluation=asked.evaluation)
    else:
        show(shown, console, evaluation=asked.evaluation)
    found = chosen.table.num_rows
    more = (
        f", the first {len(shown)} are shown (--limit)" if found > len(shown) and asked.prompt is None else ""
    )
    print(f"{found:,} of {chosen.kept:,} rollouts match{more}", file=sys.stderr)
