"""Colours and layout that all figures share. The page sets the colours of text and grid by its light or dark
theme; the colours here are of the data, and must be told apart on both."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

COLOURS = ("#0072b2", "#c47f00", "#00896a", "#d55e00", "#b0679a", "#3a97cf", "#7d7f2a", "#7f858f")
"""After Okabe and Ito (2008), for readers who do not tell red from green; the light ones are darkened, so
that each has a contrast of 3 or more on both backgrounds."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SCALE = "Cividis"
"""The colours of heat maps, made for readers with any colour vision (Nuñez et al. 2018)."""
HEIGHT = 300
Numbers = Sequence[float | None]
GOOD, BAD = COLOURS[2], COLOURS[3]


def colour(number: int) -> str:
    """The colour of the run, or of the line, at this place; they repeat."""
    return COLOURS[number % len(COLOURS)]


def dash(number: int) -> str:
    """The dashes of a second distinction; they repeat."""
    return DASHES[number % len(DASHES)]


def veil(hex_colour: str, opacity: float) -> str:
    """The colour, seen through: for bands. Takes #rrggbb."""
    red, green, blue = (int(hex_colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def blank(*, x: str, y: str, height: int = HEIGHT, **layout: Any) -> go.Figure:
    """A figure without data: axes named, legend below, room used."""
    base = {
        "template": "none",
        "height": height,
        "margin": {"l": 56, "r": 12, "t": 12, "b": 44},
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": -0.24, "x": 0, "yanchor": "top", "font": {"size": 11}},
        "xaxis": {"title": {"text": x, "standoff": 6}, "automargin": True, "zeroline": False},
        "yaxis": {"title": {"text": y, "standoff": 6}, "automargin": True, "zeroline": False},
        "font": {"size": 12},
    }
    figure = go.Figure(layout=base)
    figure.update_layout(layout)
    return figure


def band(
    figure: go.Figure,
    x: Numbers,
    low: Numbers,
    high: Numbers,
    *,
    shade: str,
    group: str,
    opacity: float = 0.18,
    **more: Any,
) -> None:
    """Shade between two lines; hidden together with the legend's ``group``."""
    figure.add_scatter(
        x=[*x, *reversed(x)],
        y=[*high, *reversed(low)],
        fill="toself",
        fillcolor=veil(shade, opacity),
        line={"width": 0, "color": shade},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        legendgroup=group,
        name=group,
        **more,
    )
