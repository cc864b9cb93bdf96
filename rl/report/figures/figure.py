"""A figure of a report, and the section it stands in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rl.views.run_view import RunView

if TYPE_CHECKING:
    import plotly.graph_objects as go

Draw = Callable[[Sequence[RunView]], "go.Figure | None"]
"""From runs to a picture; None where no run has the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of the page."""

    title: str
    intro: str
    """One or two sentences below the heading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One picture. The report and the live page draw it from the same runs."""

    section: str
    """A key of ``SECTIONS``."""
    title: str
    caption: str
    """Tells what to look for."""
    draw: Draw
    absent: str
    """Why it is left out where ``draw`` gives None: one sentence."""
    per_run: bool = False
    """True: it shows one run, and a page about several draws it for each."""
    wide: bool = False
    """True: it takes the whole width of the page."""
