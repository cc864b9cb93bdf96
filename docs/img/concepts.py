"""Draws the pictures of docs/concepts: ``python docs/img/concepts.py`` writes them beside this file.

Each is a plain SVG with a light and a dark set of colours, chosen by the reader's system, on a ground of its
own. The curves are computed by the code that they explain, not drawn by hand.
"""

from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

import numpy as np

from planner.allocation.gains import log_gain

HERE = Path(__file__).parent
ALT = {
    "one_step": (
        "One training step: a plan goes to the engines, the verifiers, the buffer and the learner, "
        "and the new weights come back to the engines."
    ),
    "staleness": (
        "Staleness: a group of plan 3 is sampled under versions 1 and 2, waits, and is trained by "
        "version 3. Its oldest token is two versions old."
    ),
    "groups": (
        "Groups of 8, 12, 4 and 6 rollouts. A group with equal outcomes teaches nothing; a sample "
        "that was not judged leaves its group."
    ),
    "budgets": (
        "Three budgets: rollouts go to prompts where both outcomes are likely, the length limit "
        "falls in levels, and a query gets samples until the next is worth less than the price."
    ),
    "verdicts": (
        "A reward's verdict is right, wrong or not judged. A sample that was not judged is in no "
        "baseline, pass rate or statistic."
    ),
}
"""What a reader who does not see the picture is told; the pages use the same words."""
STYLE = """
:root { --ground: #ffffff; --ink: #1f2430; --faint: #6b7280; --line: #9aa3b2; --box: #eef2f8;
  --a: #2f6fde; --b: #c2571a; --c: #1d8a5b; --d: #8a3fb0; --label: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171f; --ink: #e6e9f0; --faint: #a3acbd;
  --line: #5d677a; --box: #222836; --a: #6ea3ff; --b: #ff9d5c; --c: #4fcf98; --d: #cf92f2;
  --label: #10131a; } }
text { font: 14px system-ui, sans-serif; fill: var(--ink); } .faint { fill: var(--faint); font-size: 12px; }
.bold { font-weight: 600; } .box { fill: var(--box); stroke: var(--line); } .axis { stroke: var(--line); }
.a { fill: var(--a); } .b { fill: var(--b); } .c { fill: var(--c); } .d { fill: var(--d); }
.sa { stroke: var(--a); } .sb { stroke: var(--b); } .sc { stroke: var(--c); } .arrow { stroke: var(--ink); }
.hollow { fill: none; stroke: var(--ink); } path, line { fill: none; stroke-width: 1.6; }
""".strip()


def text(x: float, y: float, words: str, *, kind: str = "", anchor: str = "middle") -> str:
    """One line of text."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, title: str, *lines: str) -> str:
    """A room with a bold title and lines below it."""
    words = [text(x + width / 2, y + 24, title, kind="bold")]
    words += [text(x + width / 2, y + 44 + 16 * i, line, kind="faint") for i, line in enumerate(lines)]
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" class="box"/>' + "".join(
        words
    )


def bar(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A filled bar."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="3" class="{kind}"/>'


def label(x: float, y: float, words: str) -> str:
    """Words on a filled bar."""
    style = "fill: var(--label); font-weight: 600"
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle" style="{style}">{escape(words)}</text>'


def arrow(points: Iterable[tuple[float, float]]) -> str:
    """A line through the points, with a head at its end."""
    path = " L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path d="M{path}" class="arrow" marker-end="url(#head)"/>'


def curve(points: Iterable[tuple[float, float]], kind: str) -> str:
    """A line without a head."""
    return f'<path d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in points)}" class="{kind}"/>'


def picture(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """The whole file."""
    head = (
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        ' orient="auto"><path d="M0 0 L8 4 L0 8 z" style="fill: var(--ink); stroke: none"/></marker>'
    )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(title)}">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<defs>{head}</defs>\n<rect width="{width}" height="{height}" rx="10" style="fill: var(--ground)"/>'
        "\n"
        f"{body}\n</svg>\n"
    )


def one_step() -> str:
    """The walk of a plan and of the weights."""
    top = [
        (20, "Curriculum", ("draws plan s:", "prompts, rollouts,", "token limits")),
        (225, "Engines (vLLM)", ("sample the groups;", "each token keeps", "its version")),
        (430, "Verifiers", ("right, wrong", "or not judged, in", "killable processes")),
        (635, "Stream buffer", ("plan s waits", "until it is whole;", "refills if dropped")),
    ]
    bottom = [
        (635, "Learner", ("DeepSpeed ranks train", "on batch s = plan s,", "and check its age")),
        (430, "Publish", ("the weights become", "version s + 1,", "with a checksum")),
        (225, "Push and probe", ("engines load it;", "log-probs are", "compared")),
    ]
    parts = [box(x, 20, 175, 100, title, *lines) for x, title, lines in top]
    parts += [box(x, 190, 175, 100, title, *lines) for x, title, lines in bottom]
    parts += [arrow([(x + 175, 70), (x + 205, 70)]) for x in (20, 225, 430)]
    parts += [
        arrow([(722, 120), (722, 190)]),
        arrow([(635, 240), (605, 240)]),
        arrow([(430, 240), (400, 240)]),
    ]
    parts += [arrow([(312, 190), (312, 120)]), arrow([(225, 240), (107, 240), (107, 120)])]
    parts += [text(115, 262, "a ticket for a later plan", kind="faint")]
    parts += [text(320, 170, "new weights", kind="faint", anchor="start")]
    words = "Four loops run at once: prompts, rollouts, batches, training. Tickets and the buffer join them."
    parts += [text(415, 322, words, kind="faint")]
    parts += [
        arrow([(580, 120), (580, 146), (150, 146), (150, 120)]),
        text(440, 142, "outcomes", kind="faint"),
    ]
    return picture(830, 336, ALT["one_step"], parts)


def staleness() -> str:
    """One group that is two versions old when it is trained."""
    left, unit = 120, 165
    names = ("version 1", "version 2", "version 3", "version 4")
    parts = [
        text(20, 62, "Engines", kind="bold", anchor="start"),
        text(20, 182, "Plan 3,", kind="bold", anchor="start"),
    ]
    parts += [
        text(20, 200, "one group", kind="bold", anchor="start"),
        text(20, 292, "Learner", kind="bold", anchor="start"),
    ]
    for i, (name, kind) in enumerate(zip(names, "abcd", strict=True)):
        x = left + i * unit
        parts.append(f'<g style="opacity: .85">{bar(x, 40, unit - 4, 34, kind)}</g>')
        parts.append(label(x + unit / 2, 62, name))
        parts.append(f'<line x1="{x:g}" y1="30" x2="{x:g}" y2="320" class="axis" stroke-dasharray="3 4"/>')
    parts += [bar(left + 60, 168, unit - 60, 30, "a"), bar(left + unit, 168, 70, 30, "b")]
    waiting = f'x="{left + unit + 70}" y="168" width="{unit - 70}" height="30"'
    parts += [f'<rect {waiting} class="hollow" stroke-dasharray="5 4"/>']
    notes = [
        (left + 60, 152, "ticket for plan 3: engines confirmed version 1, and 3 - 1 = max_staleness = 2"),
        (left + 60, 222, "sampled under 1"),
        (left + unit + 4, 222, "then under 2"),
        (left + unit + 100, 188, "waits"),
        (left + 2 * unit + 50, 242, "in flight 1 (versions 1 to 2), in queue 1 (2 to 3)"),
    ]
    parts += [text(x, y, words, kind="faint", anchor="start") for x, y, words in notes]
    for i in range(3):
        parts.append(bar(left + i * unit + 4, 276, unit - 30, 28, "c" if i == 2 else "box"))
        x, words = left + i * unit + 70, f"trains batch {i + 1}"
        parts.append(label(x, 295, words) if i == 2 else text(x, 295, words, kind="faint"))
    parts += [arrow([(left + 2 * unit + 6, 198), (left + 2 * unit + 40, 274)])]
    parts += [text(left + 2 * unit + 50, 222, "staleness = 3 - 1 = 2", kind="bold", anchor="start")]
    parts += [text(440, 342, "time: a weight update ends each column", kind="faint")]
    return picture(830, 356, ALT["staleness"], parts)


def groups() -> str:
    """Groups of four sizes, what counts and what trains."""
    rows: list[tuple[str, str, str, str]] = [
        ("prompt A, 8 rollouts", "++-+--+-", "4 of 8 right", "trains: a right one +, a wrong one -"),
        ("prompt B, 12 rollouts", "-----+------", "1 of 12 right", "trains: the one success weighs most"),
        (
            "prompt C, 4 rollouts",
            "++++",
            "4 of 4 right",
            "no difference: dropped as all_right, or advantage 0",
        ),
        ("prompt D, 6 rollouts", "+-x-+-", "2 of 5 right", "trains as a group of five: x was not judged"),
    ]
    parts = []
    for i, (name, outcomes, rate, fate) in enumerate(rows):
        y = 34 + 52 * i
        parts.append(text(20, y + 18, name, anchor="start"))
        for j, outcome in enumerate(outcomes):
            parts.append(_outcome(180 + 22 * j, y + 2, outcome))
        parts += [
            text(460, y + 18, rate, anchor="start"),
            text(560, y + 18, fate, kind="faint", anchor="start"),
        ]
    y = 258
    parts += [text(20, y + 18, "the batch", kind="bold", anchor="start")]
    parts += [bar(180, y, 120, 26, "a"), bar(304, y, 180, 26, "b"), bar(488, y, 76, 26, "d")]
    for x, size in ((240, "8"), (394, "12"), (526, "5")):
        parts.append(label(x, y + 18, size))
    parts += [text(580, y + 18, "one row of segments, never a matrix", kind="faint", anchor="start")]
    return picture(900, 304, ALT["groups"], parts)


def _outcome(x: float, y: float, outcome: str) -> str:
    if outcome == "+":
        return bar(x, y, 18, 22, "c")
    cross = f'<path d="M{x} {y} l18 22 M{x + 18} {y} l-18 22" class="sb"/>' if outcome == "x" else ""
    return f'<rect x="{x}" y="{y}" width="18" height="22" rx="3" class="hollow"/>{cross}'


def budgets() -> str:
    """Three budgets: rollouts of a prompt, tokens of a completion, samples of a query."""
    parts = [*_both_outcomes(20), *_length_budget(310), *_samples(600)]
    return picture(880, 320, ALT["budgets"], parts)


def _axes(x: float, title: str, below: str, beside: str) -> list[str]:
    return [
        text(x + 125, 30, title, kind="bold"),
        f'<path d="M{x + 30} 60 L{x + 30} 250 L{x + 250} 250" class="axis"/>',
        text(x + 140, 286, below, kind="faint"),
        text(x + 30, 50, beside, kind="faint", anchor="start"),
    ]


def _both_outcomes(x: float) -> list[str]:
    """Chance that n rollouts show both outcomes, against the pass rate."""
    parts = _axes(x, "Knapsack: rollouts of a prompt", "pass rate 0 to 1", "chance of both outcomes")
    p = np.linspace(0, 1, 81)
    for n, kind, at in ((2, "sb", 0.5), (4, "sc", 0.5), (16, "sa", 0.5)):
        value = 1 - p**n - (1 - p) ** n
        parts.append(curve(zip(x + 30 + 220 * p, 250 - 170 * value, strict=True), kind))
        parts.append(text(x + 30 + 220 * at, 244 - 170 * (1 - 2 * 0.5**n), f"n = {n}", kind="faint"))
    return parts


def _length_budget(x: float) -> list[str]:
    """Train Long, Think Short: four levels."""
    parts = _axes(x, "Length: tokens of a completion", "steps of the run", "limit, of rollout.max_tokens")
    levels = np.linspace(1, 0.34, 4)
    points = [(x + 30 + 55 * (i + j), 250 - 170 * level) for i, level in enumerate(levels) for j in (0, 1)]
    parts.append(curve(points, "sb"))
    for i, level in enumerate(levels):
        parts.append(text(x + 58 + 55 * i, 242 - 170 * level, f"{level:.2f}", kind="faint"))
    return parts


def _samples(x: float) -> list[str]:
    """What the m-th sample of a query is worth, for three beliefs, against a price."""
    parts = _axes(x, "Planner: samples of a query", "samples bought, 1 to 12", "gain of the next sample")
    m = np.arange(1, 13)
    price = 0.05
    for (a, b), kind, name in (((8, 2), "sc", "easy"), ((3, 7), "sa", "middling"), ((0.5, 12), "sb", "hard")):
        gain = np.exp(log_gain(a, b, m))
        parts.append(curve(zip(x + 30 + 18.3 * m, 250 - 210 * gain, strict=True), kind))
        k = int((gain >= price).sum())
        y = 70 + 18 * ("easy", "middling", "hard").index(name)
        parts.append(text(x + 250, y, f"{name}: k* = {k}", kind="faint", anchor="end"))
        if k:
            spot = f'cx="{x + 30 + 18.3 * k:.1f}" cy="{250 - 210 * gain[k - 1]:.1f}"'
            parts.append(f'<circle {spot} r="4" class="{kind[1]}"/>')
    at = 250 - 210 * price
    parts.append(
        f'<line x1="{x + 30}" y1="{at}" x2="{x + 250}" y2="{at}" class="arrow" stroke-dasharray="5 4"/>'
    )
    parts.append(text(x + 248, at - 6, "price", kind="faint", anchor="end"))
    return parts


def verdicts() -> str:
    """Where right, wrong and unjudged completions go."""
    parts = [box(20, 110, 150, 84, "Completion", "text of one", "rollout")]
    parts += [box(215, 110, 175, 84, "Reward", "in a process that", "can be killed")]
    parts += [arrow([(170, 152), (213, 152)])]
    rows = [
        (24, "c", "Right", "counts in pass rates, baselines,", "statistics, pass@k; trains"),
        (116, "b", "Wrong", "counts in all of them too;", "shipped rewards: a timeout is wrong"),
        (
            208,
            "d",
            "Not judged",
            "the reward raised, died, was not finite:",
            "it leaves its group and every denominator",
        ),
    ]
    for y, kind, name, first, second in rows:
        parts.append(arrow([(390, 152), (415, 152), (415, y + 38), (448, y + 38)]))
        parts.append(bar(450, y, 8, 76, kind))
        parts.append(box(462, y, 350, 76, name, first, second))
    return picture(830, 306, ALT["verdicts"], parts)


PICTURES: dict[str, Callable[[], str]] = {
    "one_step": one_step,
    "staleness": staleness,
    "groups": groups,
    "budgets": budgets,
    "verdicts": verdicts,
}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (HERE / f"concept_{name}.svg").write_text(draw(), encoding="utf-8")
