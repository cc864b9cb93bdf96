"""Our stream against TransferQueue (PyPI, AsyncFlow's data plane) on the same samples: how many a second, at
what CPU, and how long one is on its way.

    pip install --no-deps --target DIR transferqueue==0.1.11 tensordict pyvers orjson
    python -m benchmarks.speed.stream --transfer-queue DIR [--rounds 3] [--repeats 2] [--quick] [--json FILE]

Each side runs in a process and a Ray of its own, in turn, ``--rounds`` times over all cells (bytes a sample,
producers), so that neither pays for the other's idle actors and both see the same weather.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save, spread

SIZES = (128, 4096, 65536, 1 << 20)
PRODUCERS = (1, 4, 8)
SIDES = ("ours", "transferqueue")
FIGURES = ("samples_per_s", "mb_per_s", "cpu_s_per_sample", "latency_p50_s", "latency_p99_s")
LIMIT_S = 900


def main() -> None:
    args = _arguments()
    cells = [(size, count) for size in args.sizes for count in args.producers]
    if args.side is not None:
        _measure(args, cells)
        return
    found: list[dict[str, Any]] = []
    for number in range(args.rounds):
        for side in SIDES if number % 2 == 0 else reversed(SIDES):
            CONSOLE.print(f"round {number + 1} of {args.rounds}: {side}")
            found += _child(args, side)
    result = {
        "machine": machine(),
        "command": command_line().replace(str(args.transfer_queue), "DIR"),
        "transferqueue": _version(args.transfer_queue),
        "rounds": args.rounds,
        "repeats": args.repeats,
        "cells": [_cell(found, size, count) for size, count in cells],
    }
    save("stream", result, args=args)
    _show(result)


def _measure(args: argparse.Namespace, cells: list[tuple[int, int]]) -> None:
    from benchmarks.speed.stream_sides import run_side

    def note(row: dict[str, Any]) -> None:
        with args.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    path = str(args.transfer_queue) if args.side == "transferqueue" else None
    run_side(args.side, cells, note, path=path, repeats=args.repeats)


def _child(args: argparse.Namespace, side: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="t2rl-stream-") as directory:
        out = Path(directory) / "rows.jsonl"
        command = [sys.executable, "-m", "benchmarks.speed.stream", "--side", side, "--out", str(out)]
        command += ["--transfer-queue", str(args.transfer_queue), "--repeats", str(args.repeats)]
        command += ["--sizes", *map(str, args.sizes), "--producers", *map(str, args.producers)]
        log = Path(directory) / "log"
        with log.open("wb") as file:
            ended = subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False, env=os.environ
            )
        if ended.returncode:
            raise RuntimeError(f"{side} ended with {ended.returncode}: {log.read_text()[-4000:]}")
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def _cell(found: list[dict[str, Any]], size: int, count: int) -> dict[str, Any]:
    """Spreads of both sides in one cell, and theirs over ours: above 1 is faster, dearer, later."""
    cell: dict[str, Any] = {"bytes": size, "producers": count}
    rows = [row for row in found if (row["bytes"], row["producers"]) == (size, count)]
    for side in SIDES:
        own = [row for row in rows if row["side"] == side]
        cell[side] = {figure: spread([row[figure] for row in own]) for figure in FIGURES}
    cell["transferqueue_over_ours"] = {
        figure: round(cell["transferqueue"][figure]["median"] / cell["ours"][figure]["median"], 3)
        for figure in FIGURES
    }
    return cell


def _version(directory: Path) -> str:
    names = [p.name for p in directory.glob("transferqueue-*.dist-info")]
    return names[0].removeprefix("transferqueue-").removesuffix(".dist-info") if names else "unknown"


def _show(result: dict[str, Any]) -> None:
    table = Table("bytes", "producers", *(f"{f}: ours / theirs" for f in FIGURES), title="medians")
    for cell in result["cells"]:
        both = [
            f"{cell['ours'][figure]['median']:.3g} / {cell['transferqueue'][figure]['median']:.3g}"
            for figure in FIGURES
        ]
        table.add_row(str(cell["bytes"]), str(cell["producers"]), *both)
    CONSOLE.print(table)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--transfer-queue", type=Path, required=True, help="folder that it was installed into")
    made.add_argument("--rounds", type=int, default=3, help="processes a side")
    made.add_argument("--repeats", type=int, default=2, help="of every cell in each of them")
    made.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    made.add_argument("--producers", type=int, nargs="+", default=list(PRODUCERS))
    made.add_argument("--side", choices=SIDES, default=None, help=argparse.SUPPRESS)
    made.add_argument("--out", type=Path, default=None, help=argparse.SUPPRESS)
    args = made.parse_args()
    args.transfer_queue = args.transfer_queue.resolve()
    if args.quick:
        args.rounds, args.repeats, args.sizes, args.producers = 1, 1, [128, 65536], [1, 4]
    return args


if __name__ == "__main__":
    main()
