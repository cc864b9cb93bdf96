"""The parts of a page as its template takes them: sections with figures and tables, and what is left out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rl.report.figures import FIGURES, SECTIONS
from rl.report.tables import Table
from rl.views.run_view import RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One drawn figure."""

    id: str
    title: str
    caption: str
    wide: bool
    height: int
    content: dict[str, Any]
    """``{data, layout}`` as plotly.js takes it."""


@dataclass(slots=True, kw_only=True)
class Part:
    """A section of the page."""

    id: str
    title: str
    intro: str
    cards: list[Card] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


def drawn_sections(runs: Sequence[RunView]) -> tuple[list[Part], list[tuple[str, str]]]:
    """Every section with its figures, empty ones included, and the figures left out with the reason."""
    parts = {key: Part(id=key, title=s.title, intro=s.intro) for key, s in SECTIONS.items()}
    left_out = []
    for name, figure in FIGURES.items():
        cards = [
            card
            for number, shown in enumerate([[run] for run in runs] if figure.per_run else [runs])
            if (card := _card(name, number, shown, of_many=figure.per_run and len(runs) > 1)) is not None
        ]
        parts[figure.section].cards += cards
        if not cards:
            left_out.append((figure.title, figure.absent))
    return list(parts.values()), left_out


def _card(name: str, number: int, runs: Sequence[RunView], *, of_many: bool) -> Card | None:
    figure = FIGURES[name]
    drawn = figure.draw(runs)
    if drawn is None:
        return None
    content = drawn.to_plotly_json()
    content["layout"].pop("template", None)
    return Card(
        id=f"{name.replace('_', '-')}{f'-{number + 1}' if of_many else ''}",
        title=f"{figure.title}: {runs[0].name}" if of_many else figure.title,
        caption=figure.caption,
        wide=figure.wide,
        height=int(content["layout"]["height"]),
        content=content,
    )
