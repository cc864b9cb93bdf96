"""Held-out results: what the run is for."""

from rl.report.figures import before_after, held_out, pass_at_k, suites
from rl.report.figures.figure import Figure

FIGURES: dict[str, Figure] = {
    "held_out": Figure(
        section="results",
        title="Held-out problems over the training",
        caption=(
            "pass@k on problems that the run never trains on; bands are 95% bootstrap intervals over"
            " them. Where pass@1 rises and pass@k for a large k falls, the model trades breadth for"
            " sharpness."
        ),
        draw=held_out.draw,
        absent="the run was not evaluated.",
    ),
    "pass_at_k": Figure(
        section="results",
        title="pass@k and its forecast",
        caption=(
            "Solid: measured, without bias. Dotted: a forecast beyond the samples drawn, which holds"
            " if difficulty is spread as in the reference (t2rl passk). Where the curves meet,"
            " training has made likely what the base could do anyway."
        ),
        draw=pass_at_k.draw,
        absent="the run has no evaluation at a temperature above 0.",
    ),
    "before_after": Figure(
        section="results",
        title="Before and after, by category",
        caption=(
            "Hollow: before training. An interval is over problems, so that the two of one row are"
            " not independent; the table of t2rl train has the paired difference."
        ),
        draw=before_after.draw,
        absent="the run was not evaluated.",
        per_run=True,
        wide=True,
    ),
    "suites": Figure(
        section="results",
        title="Suites, after minus before",
        caption=(
            "Each suite beside the held-out set, first evaluation to last, paired by problem; the names"
            " say from where to where. Green is better, orange is worse: of bits/byte, lower. What fell"
            " was forgotten."
        ),
        draw=suites.draw,
        absent="no suite was evaluated twice (evaluation.suites).",
        per_run=True,
        wide=True,
    ),
}
