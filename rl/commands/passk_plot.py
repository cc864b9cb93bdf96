"""The picture of ``t2rl passk``: pass@k against k, bands for intervals, dashed beyond the samples drawn."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rl.commands.passk_cell import Cell


def draw(cells: "Sequence[Cell]", path: Path, *, title: str, confidence: float) -> None:
    """Write ``path`` (.png or .svg); the same cells give the same file."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "t2rl"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.0, 4.4), layout="constrained")
    for number, name in enumerate(dict.fromkeys(cell.category for cell in cells)):
        own = [cell for cell in cells if cell.category == name]
        colour = f"C{number % 10}"
        axes.fill_between(
            [c.k for c in own],
            [c.low for c in own],
            [c.high for c in own],
            color=colour,
            alpha=0.18 if number == 0 else 0.07,
        )
        measured = [cell for cell in own if not cell.forecast]
        beyond = measured[-1:] + [cell for cell in own if cell.forecast]
        axes.plot(
            [c.k for c in measured], [c.value for c in measured], "o-", color=colour, markersize=4, label=name
        )
        if len(beyond) > len(measured[-1:]):
            label = f"{name}, forecast" if not measured else None
            axes.plot(
                [c.k for c in beyond],
                [c.value for c in beyond],
                "o--",
                color=colour,
                markersize=4,
                fillstyle="none",
                label=label,
            )
            for said in ("model_low", "model_high"):
                far = [c for c in beyond if c.forecast]
                axes.plot([c.k for c in far], [c.plain()[said] for c in far], ":", color=colour, linewidth=1)
    axes.set(xscale="log", xlabel="k", ylabel="pass@k", ylim=(0, 1.02))
    axes.set_title(
        f"{title}: bands {confidence:.3g} intervals, dashed: forecast, dotted: other models", fontsize=9
    )
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
