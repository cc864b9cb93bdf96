"""Every figure from made runs, and none from runs without its data."""

import json
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
import yaml

from rl.report.figures import FIGURES, SECTIONS
from rl.report.figures.style import BAD, COLOURS, GOOD
from rl.views.run_view import RunView
from tests.unit.report.made_runs import CONFIG, made_run, numbers


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunView]:
    folder = tmp_path_factory.mktemp("runs")
    return [RunView(made_run(folder / "one")), RunView(made_run(folder / "two", steps=30, seed=1))]


@pytest.fixture
def bare(tmp_path: Path) -> RunView:
    """A run that has started, and has nothing yet."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return RunView(tmp_path)


def test_every_figure_stands_in_a_section_and_says_what_to_look_for() -> None:
    for name, figure in FIGURES.items():
        assert figure.section in SECTIONS, name
        assert figure.caption.endswith(".") and figure.absent.endswith("."), name
    assert list(dict.fromkeys(figure.section for figure in FIGURES.values())) == [
        section for section in SECTIONS if any(figure.section == section for figure in FIGURES.values())
    ]


@pytest.mark.parametrize("name", FIGURES)
def test_a_run_that_has_nothing_yet_gives_no_figure(name: str, bare: RunView) -> None:
    assert FIGURES[name].draw([bare]) is None


def test_curves_have_a_line_and_a_band_for_each_run(runs: list[RunView]) -> None:
    figure = FIGURES["reward"].draw(runs)
    named = [trace for trace in figure.data if trace.showlegend is not False]
    assert [trace.name for trace in named] == ["one", "two"]
    assert named[0].line.color != named[1].line.color
    first = numbers(named[0].y)
    assert first[0] < 0.4 < 0.6 < first[-1]
    assert sum(trace.fill == "toself" for trace in figure.data) == 2


def test_components_are_those_of_the_reward_and_nothing_else_under_its_name(runs: list[RunView]) -> None:
    drawn = FIGURES["components"].draw(runs).to_json()
    assert "accuracy" in drawn and "format" in drawn
    assert not any(name in drawn for name in ("length_corr", "reason_", "battery_", "completions"))


def test_held_out_intervals_hold_the_value(runs: list[RunView]) -> None:
    figure = FIGURES["held_out"].draw(runs[:1])
    lines = {trace.name: trace for trace in figure.data if trace.showlegend is not False}
    assert list(lines) == ["pass@1", "pass@4", "greedy"]
    assert list(lines["pass@1"].x) == [0, 20, 40]
    for line in lines.values():
        for value, (low, high) in zip(line.y, line.customdata, strict=True):
            assert low <= value <= high


def test_heat_maps_hold_shares_and_rates(runs: list[RunView]) -> None:
    drawn = FIGURES["curriculum_drawn"].draw(runs).data[0]
    assert np.allclose(np.array(drawn.z, dtype=float).sum(axis=0), 1)
    rate = FIGURES["curriculum_pass_rate"].draw(runs).data[0]
    assert rate.zmax == 1
    first = runs[0].choices()[0]["categories"]["gcd"]
    assert rate.z[0][0] == pytest.approx(first[2] / first[1], rel=0.01)


def test_the_parts_of_a_step_add_up_to_it(runs: list[RunView]) -> None:
    figure = FIGURES["step_time"].draw(runs)
    parts = {trace.name: trace.y[0] for trace in figure.data}
    assert parts["other"] == pytest.approx(0.2)
    assert sum(parts.values()) == pytest.approx(2.0)


def test_a_run_of_one_step_is_drawn(tmp_path: Path) -> None:
    run = RunView(made_run(tmp_path / "short", steps=1, every=1))
    for name, figure in FIGURES.items():
        drawn = figure.draw([run])
        assert drawn is None or isinstance(drawn, go.Figure), name


@pytest.mark.parametrize("hex_colour", COLOURS)
@pytest.mark.parametrize("background", ["#ffffff", "#14171c"])
def test_data_can_be_seen_in_both_themes(hex_colour: str, background: str) -> None:
    lighter, darker = sorted((luminance(hex_colour), luminance(background)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3, "the contrast that WCAG asks of graphics"


def luminance(hex_colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(hex_colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_suites_show_what_was_gained_and_what_was_lost(tmp_path: Path) -> None:
    run = RunView(made_run(tmp_path / "run"))
    last = run.steps_done
    for suite, rise in (("harder", 0.5), ("facts", -0.5)):
        folder = run.files.eval / suite
        folder.mkdir()
        for version, right in ((0, 4), (last, 4 + int(6 * rise))):
            rows = [
                {"version": version, "temperature": 1.0, "id": f"p{i}", "n": 8, "c": right + i % 2}
                for i in range(40)
            ]
            (folder / f"version-{version:08d}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    figure = FIGURES["suites"].draw([run])
    found = {trace.name: (trace.x[0], trace.marker.color) for trace in figure.data}
    assert found["harder: pass@1 (0.562 to 0.938)"] == (pytest.approx(0.375), GOOD)
    assert found["facts: pass@1 (0.562 to 0.188)"] == (pytest.approx(-0.375), BAD)
