"""The house in figures: files, functions, loose modules, circles, knobs, density. ``make house`` runs it.

    python -m benchmarks.house                       # this checkout
    python -m benchmarks.house --before DIR          # beside another checkout, for a table of two columns
    python -m benchmarks.house --list                # also name what is over a limit

Everything is read from syntax trees; nothing is imported, so any checkout can be measured. It exits with 1
if this checkout has a loose module in ``rl``, a circle, a file over 400 lines, a function over 60, or more
than five ``except`` that catch everything.
"""

import argparse
import json
from pathlib import Path

from rich.table import Table

from benchmarks.house.figures import LIMITS, House, measure
from benchmarks.lib.common import CONSOLE

ROOT = Path(__file__).parents[2]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--before", type=Path, metavar="DIR", help="another checkout, measured beside this")
    options.add_argument(
        "--list", action="store_true", help="name every module, file or function over a limit"
    )
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    args = options.parse_args()
    if args.before is not None and not (args.before / "rl").is_dir():
        options.error(f"--before {args.before}: there is no rl/ in it; name the root of a checkout")
    houses = {"before": measure(args.before)} if args.before else {}
    houses["now"] = measure(ROOT)
    show(houses)
    if args.list:
        for name, offenders in houses["now"].offenders.items():
            for offender in offenders:
                CONSOLE.print(f"{name}: {offender}")
    if args.json:
        args.json.write_text(json.dumps({name: house.figures for name, house in houses.items()}, indent=1))
    raise SystemExit(any(houses["now"].offenders.values()))


def show(houses: dict[str, House]) -> None:
    """Print a row a figure, a column a checkout."""
    table = Table("figure", *houses, "limit")
    for key in houses["now"].figures:
        limit = LIMITS.get(key)
        cells = [f"{house.figures[key]:g}" for house in houses.values()]
        table.add_row(key, *cells, "" if limit is None else str(limit))
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
