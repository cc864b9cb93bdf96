"""Make the runs of ``benchmarks.simulate.settings``: short, real, one after the other.

    python -m benchmarks.simulate.own_runs --to DIR [--only NAME ...]

A run that DIR has already is left as it is. ``benchmarks.simulate.own`` holds the simulation against them.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.lib.common import CONSOLE
from benchmarks.simulate.settings import BASE, SETTINGS, Setting


def run_dir(to: Path, setting: Setting) -> Path:
    """Where a setting's run lies."""
    return to / setting.name.replace(" ", "_").replace("+", "_")


def make(to: Path, setting: Setting) -> None:
    """Train one; it is moved into its place only when it is whole.

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    place = run_dir(to, setting)
    if place.exists():
        return
    parent = to / f".{place.name}"
    shutil.rmtree(parent, ignore_errors=True)
    words = ["train", "quickstart", *BASE, *setting.overrides, f"run.dir={parent}", "--quiet"]
    subprocess.run([sys.executable, "-m", "rl.cli", *words], check=True)
    (parent / "quickstart").rename(place)
    shutil.rmtree(parent)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--to", type=Path, required=True)
    arguments.add_argument("--only", action="append", choices=[one.name for one in SETTINGS])
    args = arguments.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    for setting in SETTINGS:
        if not args.only or setting.name in args.only:
            CONSOLE.print(f"{setting.name}: {' '.join(setting.overrides)}")
            make(args.to, setting)


if __name__ == "__main__":
    main()
