"""The report's figures, one at a time, as JSON for the page."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from rl.report.figures import FIGURES, SECTIONS
from rl.views.run_view import RunView

OF_SEVERAL = "compare"
"""The section whose figures need several runs; a page shows one."""


def figure_list() -> list[dict[str, Any]]:
    """``{name, title, caption, absent, wide, section, intro}`` of each figure, in the order of the page."""
    return [
        {
            "name": name,
            "title": figure.title,
            "caption": figure.caption,
            "absent": figure.absent,
            "wide": figure.wide,
            "section": section.title,
            "intro": section.intro,
        }
        for key, section in SECTIONS.items()
        if key != OF_SEVERAL
        for name, figure in FIGURES.items()
        if figure.section == key
    ]


def draw(name: str, run: RunView) -> bytes | None:
    """A figure of one run as Plotly's JSON; None where the run lacks the data.

    Raises:
        KeyError: there is no such figure.
    """
    picture = FIGURES[name].draw([run])
    return None if picture is None else picture.to_json().encode()


def revision(run: RunView) -> str:
    """Another text whenever a file that figures are drawn from has changed."""
    files = run.files
    watched = [files.metrics, files.curriculum, files.trained_groups, files.attempts]
    watched += [run.path / "advisories.jsonl", run.path / "summary.json"]
    # Files in these appear whole and do not change, so the directories' own times say enough.
    watched += [files.eval, run.path / "rollouts", files.eval / "rollouts"]
    return sha256(repr([_stamp(path) for path in watched]).encode()).hexdigest()[:16]


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size, found.st_mtime_ns
