"""Which runs are shown: the named ones, or all of a directory, new ones included."""

from pathlib import Path
from typing import Any

from rl.views.run_view import RunView, find_runs, is_run
from rl.watch.reader import Rested, RunReader
from rl.watch.snapshot import state

LISTED = ("run", "state", "step", "steps", "eta_s")


class Runs:
    """Runs by their name, each read by one reader that lives as long as we."""

    def __init__(self, path: Path) -> None:
        """Show one run directory, or those in a directory.

        Raises:
            ValueError: there is no such directory, or it is no run and has none in it.
        """
        self._path = path
        self._readers: dict[str, RunReader] = {}
        self._rows = Rested(self._look)
        self.single = is_run(path)
        if self.single or not path.is_dir():
            self._add(RunView(path))
        elif not self._found():
            raise ValueError(f"{path}: neither a run directory nor one with runs in it; runs go to run.dir")

    def reader(self, name: str) -> RunReader:
        """The reader of a run.

        Raises:
            KeyError: there is no run of this name.
        """
        if name not in self._readers:
            self._found()
        return self._readers[name]

    def newest(self) -> RunView:
        """The run that was started last."""
        name = next(iter(self._readers)) if self.single else self._found()[0]
        return self._readers[name].run

    def listed(self) -> list[dict[str, Any]]:
        """``{run, state, step, steps, eta_s}`` of each run, the newest start first."""
        return self._rows.get()

    def _look(self) -> list[dict[str, Any]]:
        if self.single:
            (reader,) = self._readers.values()
            return [_row(reader)]
        return [_row(self._readers[name]) for name in self._found()]

    def _found(self) -> list[str]:
        """Names of the runs that are there now; readers are made for new ones."""
        names = []
        for run in find_runs(self._path):
            names.append(run.name)
            if run.name not in self._readers:
                self._add(run)
        return names

    def _add(self, run: RunView) -> None:
        self._readers[run.name] = RunReader(run)


def _row(reader: RunReader) -> dict[str, Any]:
    try:
        known = state(reader.run)
    except (ValueError, OSError) as error:
        return {"run": reader.run.name, "state": "unreadable", "problem": str(error)}
    return {key: known.get(key) for key in LISTED}
