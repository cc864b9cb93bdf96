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
    """Every section with its figures, empty ones included, and what is left out with the reason: a figure, or
    a whole section by one line."""
    parts, left_out = [], []
    for key, section in SECTIONS.items():
        part = Part(id=key, title=section.title, intro=section.intro)
        absent = []
        for name in (name for name, figure in FIGURES.items() if figure.section == key):
            cards = _cards(name, runs)
            part.cards += cards
            if not cards:
                absent.append((FIGURES[name].title, FIGURES[name].absent))
        if absent and not part.cards:
            absent = [(section.title, absent[0][1])]
        parts.append(part)
        left_out += absent
    return parts, left_out


def _cards(name: str, runs: Sequence[RunView]) -> list[Card]:
    """The figure of all runs, or one for each."""
    each = FIGURES[name].per_run
    cards = [
        _card(name, number, shown, of_many=each and len(runs) > 1)
        for number, shown in enumerate([[run] for run in runs] if each else [runs])
    ]
    return [card for card in cards if card is not None]


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
