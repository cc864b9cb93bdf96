"""Do two versions of this repository compute the same numbers? Short seeded runs in both, value by value.

    python -m benchmarks.same_numbers --before OLD --after NEW                    # all runs
    python -m benchmarks.same_numbers --before OLD --after NEW --only grpo ppo    # some
    python -m benchmarks.same_numbers --before OLD                                # the baseline alone
    python -m benchmarks.same_numbers --before OLD --after OLD                    # OLD against itself

OLD and NEW are checkouts, each with a ``.venv`` in which that checkout is installed (``git worktree add``,
``make setup``). Every run of ``runs.yaml`` is one ``t2rl train`` (or sft, dpo, base build) in each of
them: a few steps on a tiny base, ``max_staleness=0``, one seed. The base is built once, by OLD, and given to
both. A field that has another name in one version is given to that side alone (``before``, ``after``).

Compared: metrics row by row, the log of trained groups, what the curriculum noted, held-out counts, sampled
pairs, and the SHA-256 of every tensor that was exported. Not compared: times and rates (``LEFT_OUT``).
Numbers must be equal, not close. The exit code is 1 on any difference and on a run that fails.

The engine takes one sequence at a time here (``rollout.max_num_seqs=1``). With more, the arrival of requests
decides which sequences share a step, and the last bits of a log-prob depend on that: two runs of one version
then sample and train the same tokens, and differ by rounding in loss and weights.

A finished run is remembered under ``--work`` by its checkout's commit (and uncommitted changes), so an
interrupted call goes on where it was, and a baseline serves many comparisons. Where the sides differ, OLD is
run a second time: a run that does not agree with itself is no witness, and that is said.
"""

import argparse
import hashlib
import json
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import yaml
from rich.table import Table
from safetensors import deserialize

from benchmarks.lib.common import CONSOLE
from benchmarks.lib.process_tree import run_logged
from benchmarks.same_numbers.compare import Comparison, compare
from benchmarks.same_numbers.models import build_base, build_reward_model
from rl.records.jsonl import read_jsonl
from rl.records.metrics import live_rows

SPECS = Path(__file__).with_name("runs.yaml")
TABLES = ("metrics.jsonl", "trained_groups.jsonl", "curriculum.jsonl", "pairs.jsonl", "eval/*.jsonl")
"""Files of a run that are compared, in the order in which a difference is looked for."""
COMMANDS = {"train": ["train"], "sft": ["sft"], "dpo": ["dpo"], "base": ["base", "build"]}


@dataclass(frozen=True, slots=True)
class Spec:
    """One run, and what each side is told beside."""

    name: str
    command: str
    config: str
    overrides: tuple[str, ...]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def arguments(self, side: str, places: Mapping[str, Path]) -> list[str]:
        """Arguments of ``t2rl`` for ``side``, without where the run goes.

        Args:
            side: ``before`` or ``after``.
            places: What ``{base}`` and the like stand for.
        """
        arguments = [self.config, *self.overrides, *(self.before if side == "before" else self.after)]
        for name, path in places.items():
            arguments = [text.replace(f"{{{name}}}", str(path)) for text in arguments]
        return [*COMMANDS[self.command], *arguments]


@dataclass(frozen=True, slots=True)
class Checkout:
    """A version of the repository that can run."""

    path: Path
    identity: str
    """Commit, and a hash of what is not committed."""

    @property
    def t2rl(self) -> str:
        """Its installed program."""
        return str(self.path / ".venv" / "bin" / "t2rl")

    @classmethod
    def at(cls, path: Path) -> "Checkout":
        """Look at a directory.

        Raises:
            ValueError: it has no ``.venv`` with ``t2rl``, or is no git checkout.
        """
        path = path.resolve()
        if not (path / ".venv" / "bin" / "t2rl").exists():
            raise ValueError(f"{path}: no .venv/bin/t2rl; make it with `make setup` in that checkout")
        commit = _git(path, "rev-parse", "--short=12", "HEAD").strip()
        changes = _git(path, "diff", "HEAD")
        dirty = f"-{hashlib.sha256(changes.encode()).hexdigest()[:8]}" if changes else ""
        return cls(path, commit + dirty)


def _git(path: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(path), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{path}: {done.stderr.strip()}")
    return done.stdout


def read_specs(path: Path) -> list[Spec]:
    """The runs of a file like ``runs.yaml``, each with its command's common overrides in front."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    specs = []
    for name, run in content["runs"].items():
        common = content["common"].get(run.get("common", run["command"])) or []
        sides = {side: tuple(run.get(side) or ()) for side in ("before", "after")}
        specs.append(
            Spec(name, run["command"], run["config"], (*common, *(run.get("overrides") or ())), **sides)
        )
    return specs


class Records(Protocol):
    """Where the record of a run comes from."""

    def record(self, spec: Spec, places: Mapping[str, Path]) -> dict[str, Any]:
        """``{tables, ...}`` of the finished run; RuntimeError if it failed."""
        ...


class Ledger:
    """Runs specs in one checkout and remembers their records in ``WORK/VERSION``."""

    def __init__(
        self,
        work: Path,
        checkout: Checkout,
        *,
        side: str,
        again: bool = False,
        through: Sequence[str] = (),
        keep: bool = False,
    ) -> None:
        """Runs of ``checkout``, told what ``side`` is told; ``again`` keeps a second run of each apart."""
        self._directory = work / (checkout.identity + ("-again" if again else ""))
        self._checkout = checkout
        self._side = side
        self._through = list(through)
        self._keep = keep

    def record(self, spec: Spec, places: Mapping[str, Path]) -> dict[str, Any]:
        """``{seconds, tables}`` of the finished run, made now unless it was before.

        Raises:
            RuntimeError: the run failed; with the end of its log.
        """
        arguments = spec.arguments(self._side, places)
        content = json.dumps([arguments, tensors_of(places["base"])])
        key = hashlib.sha256(content.encode()).hexdigest()[:10]
        path = self._directory / f"{spec.name}-{key}.json"
        if not path.exists():
            record = self._run(spec, arguments)
            staging = path.with_suffix(".tmp")
            staging.write_text(json.dumps(record), encoding="utf-8")
            staging.replace(path)
        return json.loads(path.read_text(encoding="utf-8"))

    def _run(self, spec: Spec, arguments: list[str]) -> dict[str, Any]:
        run = self._directory / "runs" / spec.name
        shutil.rmtree(run, ignore_errors=True)
        run.parent.mkdir(parents=True, exist_ok=True)
        environment = {"OMP_NUM_THREADS": "1"}
        if spec.command == "base":
            environment["T2RL_CACHE"] = str(run)
        else:
            arguments = [*arguments, f"run.dir={run.parent}", f"run.name={run.name}"]
        command = [*self._through, self._checkout.t2rl, *arguments]
        CONSOLE.print(f"{self._directory.name}: {spec.name}", highlight=False)
        started = time.monotonic()
        run_logged(command, run.with_suffix(".log"), environment, directory=self._checkout.path)
        seconds = round(time.monotonic() - started, 1)
        tables = read_tables(run)
        if not self._keep:
            shutil.rmtree(run)
        return {"command": shlex.join(command), "seconds": seconds, "tables": tables}


def read_tables(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Every table of a run directory, or of a cache with one base in it.

    Returns:
        File name -> rows, and ``weights``: one row a tensor.

    Raises:
        ValueError: there are no weights.
    """
    tables = {
        str(path.relative_to(run)): _rows(path)
        for pattern in TABLES
        for path in sorted(run.glob(pattern))
        if path.is_file()
    }
    weights = run / "model" if (run / "model").is_dir() else next(iter(sorted(run.glob("bases/*/"))), None)
    if weights is None:
        raise ValueError(f"{run}: no weights were exported, nothing shows that the run came to its end")
    return tables | {"weights": tensors_of(weights)}


def _rows(path: Path) -> list[dict[str, Any]]:
    """Rows in the lineage of the final weights; rows without a step as they are."""
    rows = read_jsonl(path)
    return live_rows(rows) if any("step" in row for row in rows) else rows


def tensors_of(directory: Path) -> list[dict[str, Any]]:
    """One row a tensor of every safetensors file below: file, name, dtype, shape, SHA-256 of the bytes."""
    rows = []
    for path in sorted(directory.rglob("*.safetensors")):
        for name, tensor in sorted(deserialize(path.read_bytes())):
            digest = hashlib.sha256(tensor["data"]).hexdigest()
            facts = {"dtype": tensor["dtype"], "shape": list(tensor["shape"]), "sha256": digest}
            rows.append({"file": str(path.relative_to(directory)), "tensor": name, **facts})
    return rows


def main() -> None:
    args = _arguments()
    before, after = Checkout.at(args.before), Checkout.at(args.after) if args.after else None
    made = partial(Ledger, args.work, through=args.through, keep=args.keep)
    ledgers = {"before": made(before, side="before"), "again": made(before, side="before", again=True)}
    if after is not None:
        same = after.identity == before.identity
        ledgers["after"] = ledgers["again"] if same else made(after, side="after")
    places = _places(args, before)
    results = {spec.name: compared(spec, ledgers, places) for spec in args.specs}
    show(results)
    if args.json:
        versions = {"before": before.identity, "after": after.identity if after else None}
        args.json.write_text(json.dumps(versions | {"runs": results}, indent=1) + "\n", encoding="utf-8")
    if not all(result["equal"] for result in results.values()):
        raise SystemExit(1)


def _places(args: argparse.Namespace, before: Checkout) -> dict[str, Path]:
    """What the runs share, made now unless it was before."""
    args.work.mkdir(parents=True, exist_ok=True)
    base = args.base or build_base([*args.through, before.t2rl], directory=before.path)
    reward_model = build_reward_model(base, args.work / "reward_model")
    return {"base": base, "reward_model": reward_model, "here": args.runs.resolve().parent}


def compared(spec: Spec, ledgers: Mapping[str, Records], places: Mapping[str, Path]) -> dict[str, Any]:
    """A run of either side, compared; a failed run is a result too, so that the others go on."""
    side = "before"
    try:
        before = ledgers[side].record(spec, places)["tables"]
        if "after" not in ledgers:
            return {"equal": True, "rows": sum(map(len, before.values())), "keys": 0, "first": "recorded"}
        side = "after"
        found = compare(before, ledgers[side].record(spec, places)["tables"])
        if found.equal or ledgers["after"] is ledgers["again"]:
            return summary(found)
        side = "again"
        witness = compare(before, ledgers[side].record(spec, places)["tables"])
    except RuntimeError as error:
        CONSOLE.print(str(error), style="red", markup=False, highlight=False)
        return {"equal": False, "rows": 0, "keys": 0, "first": f"the run failed {side}: {_last_line(error)}"}
    if witness.equal:
        return summary(found)
    return summary(found) | {"first": f"no witness, OLD does not agree with itself: {witness.first}"}


def summary(found: Comparison) -> dict[str, Any]:
    """A comparison as JSON."""
    return {
        "equal": found.equal,
        "rows": found.rows,
        "keys": found.keys,
        "first": found.first,
        "differ": found.keys_that_differ,
        "left_out": found.left_out,
    }


def _last_line(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1][:200]


def show(results: Mapping[str, Mapping[str, Any]]) -> None:
    """The table: run, rows, values compared, equal or the first difference."""
    table = Table("run", "rows", "values compared", "result", title="the same numbers?")
    for name, result in results.items():
        table.add_row(name, str(result["rows"]), str(result["keys"]), result["first"] or "equal")
    CONSOLE.print(table)
    left_out = sorted(
        {f"{key} ({why})" for result in results.values() for key, why in result.get("left_out", {}).items()}
    )
    if left_out:
        CONSOLE.print(f"not compared: {'; '.join(left_out)}", highlight=False, markup=False)


def _arguments() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--before", type=Path, required=True, help="checkout of the version to hold on to, with its .venv"
    )
    made.add_argument(
        "--after",
        type=Path,
        help="checkout of the version that should compute the same; without: only run OLD",
    )
    made.add_argument(
        "--runs",
        type=Path,
        default=SPECS,
        help="file with the runs; default: runs.yaml beside this script",
    )
    made.add_argument("--only", nargs="+", metavar="RUN", help="these runs alone")
    made.add_argument(
        "--base",
        type=Path,
        default=None,
        help="directory of the common base; default: quickstart's, built by OLD",
    )
    work = Path("runs/benchmarks/same_numbers")
    made.add_argument(
        "--work", type=Path, default=work, help=f"records, logs and run directories; default {work}"
    )
    made.add_argument(
        "--through",
        type=shlex.split,
        default=[],
        metavar="CMD",
        help="put before each run: 'nice -n 10', a lock",
    )
    made.add_argument("--keep", action="store_true", help="keep the run directories, checkpoints included")
    made.add_argument("--json", type=Path, default=None, help="also write the result here")
    args = made.parse_args()
    args.work = args.work.resolve()
    args.specs = read_specs(args.runs)
    unknown = set(args.only or ()) - {spec.name for spec in args.specs}
    if unknown:
        made.error(
            f"--only: {min(unknown)!r} is unknown; choose from {', '.join(spec.name for spec in args.specs)}"
        )
    args.specs = [spec for spec in args.specs if not args.only or spec.name in args.only]
    return args


if __name__ == "__main__":
    main()
