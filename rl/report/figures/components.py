"""The components of the reward over the steps."""

from collections.abc import Sequence

import plotly.graph_objects as go

from rl.records.metrics import is_component
from rl.report.figures.curves import over_steps
from rl.report.figures.series import keys_under
from rl.views.run_view import RunView

MOST = 8


def draw(runs: Sequence[RunView]) -> go.Figure | None:
    """The mean of each component over the rollouts trained."""
    keys = [key for key in keys_under(runs, "reward/") if is_component(key)]
    if not keys:
        return None
    names = {key: key.removeprefix("reward/") for key in keys[:MOST]}
    return over_steps(names, y="mean over the rollouts trained")(runs)
