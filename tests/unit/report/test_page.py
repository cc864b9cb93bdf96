"""The page as a whole: what it holds, what it may not hold, and how large it is."""

import json
import re
from pathlib import Path

import pytest
import yaml

from rl.report.assemble import PAGE, SCRIPTS, assemble
from rl.report.command import report_cli, runs_of
from rl.report.figures import FIGURES, SECTIONS
from rl.report.packing import packed, packed_json, plotly_version, unpacked
from rl.views.run_view import RunView
from tests.unit.report.made_runs import CONFIG, made_run

SCRIPT_END = "</script><script>alert(1)</script>"
BOUND = 5_000_000
"""Bytes of the page of a run of 1,000 steps."""


@pytest.fixture(scope="module")
def long_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = made_run(tmp_path_factory.mktemp("runs") / "long", steps=1000, every=50)
    return assemble([RunView(run)]).html


def blob(html: str, name: str) -> str:
    found = re.search(rf'<script type="text/plain" id="packed-{name}">([A-Za-z0-9+/=]+)</script>', html)
    assert found is not None, name
    return unpacked(found[1])


def test_a_run_of_a_thousand_steps_stays_below_the_bound(long_page: str) -> None:
    assert len(long_page.encode()) < BOUND
    assert "is drawn by 300 points" in long_page, "the page says that it shows fewer points than steps"


def test_figures_and_plotly_come_out_as_they_went_in(long_page: str) -> None:
    figures = json.loads(blob(long_page, "figures"))
    assert {"reward", "held-out", "step-time", "curriculum-drawn"} <= set(figures)
    assert all(figure["data"] and "layout" in figure for figure in figures.values())
    assert f"plotly.js v{plotly_version()}" in blob(long_page, "plotly")[:500], "with its licence notice"


def test_every_placeholder_of_a_figure_has_its_data(long_page: str) -> None:
    places = re.findall(r'data-figure="([^"]+)"', long_page)
    assert len(places) == len(set(places)) > 15
    assert set(places) == set(json.loads(blob(long_page, "figures")))


def test_nothing_points_into_a_network(long_page: str) -> None:
    outside = re.sub(r'<script type="text/plain"[^<]*</script>', "", long_page)
    assert not re.search(r'(?:src|href)="(?!#|data:,)', outside)
    assert "default-src 'none'" in outside, "the browser itself refuses to load anything"


def test_ids_are_there_once_and_every_link_leads_somewhere(long_page: str) -> None:
    ids = re.findall(r'\sid="([^"]+)"', long_page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', long_page)) <= set(ids)


def test_texts_of_a_run_are_never_read_as_markup(tmp_path: Path) -> None:
    path = made_run(tmp_path / "evil", steps=2, every=2)
    config = {**CONFIG, "task": {"kind": SCRIPT_END}, "algorithm": {"name": "<img src=x onerror=alert(1)>"}}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    with (path / "advisories.jsonl").open("w") as out:
        out.write(json.dumps({"attempt": 1, "restored_step": 0}) + "\n")
        out.write(json.dumps({"attempt": 1, "step": 1, "name": "n", "text": SCRIPT_END}) + "\n")
    html = assemble([RunView(path)]).html
    assert "alert(1)" in html and SCRIPT_END not in html and "<img" not in html
    assert html.count("<script") == html.count("</script>") == len(re.findall(r"<script[ >]", html))


def test_what_is_missing_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    made = assemble([RunView(tmp_path)])
    assert made.figures == 0
    with_figures = dict.fromkeys(SECTIONS[figure.section].title for figure in FIGURES.values())
    assert [title for title, _ in made.left_out] == [*with_figures, "Samples"], "one line a section"
    assert "the run was not evaluated." in made.html


def test_two_runs_have_their_differences_and_a_comparison(tmp_path: Path) -> None:
    runs = [RunView(made_run(tmp_path / "fast", lr=1e-3)), RunView(made_run(tmp_path / "slow", seed=1))]
    html = assemble(runs).html
    for part in ('id="equal-tokens"', 'id="equal-time"', 'id="equal-budgets"', "learner.lr", "0.001"):
        assert part in html, part


def test_the_command_writes_the_file_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made_run(tmp_path / "mine", steps=3, every=3)
    report_cli([run], to=None, baseline=None, samples=10, as_json=True)
    said = json.loads(capsys.readouterr().out)
    file = run / "report.html"
    assert said["file"] == str(file) and said["bytes"] == file.stat().st_size
    assert {"title", "reason"} == set(said["left_out"][0])
    assert [path.name for path in run.glob("*report*")] == ["report.html"], "no half page is left behind"


def test_a_run_named_twice_and_a_directory_are_refused(tmp_path: Path) -> None:
    run = made_run(tmp_path / "mine", steps=1, every=1)
    with pytest.raises(ValueError, match="named twice"):
        runs_of([run], run)
    with pytest.raises(ValueError, match="this is a directory"):
        report_cli([run], to=tmp_path, baseline=None, samples=0, as_json=False)
    with pytest.raises(ValueError, match="make it first"):
        report_cli([run], to=tmp_path / "no" / "a.html", baseline=None, samples=0, as_json=False)


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = runs_of([made_run(tmp_path / place / "same", steps=1, every=1) for place in ("a", "b")], None)
    assert [run.name for run in runs] == ["a/same", "b/same"]


def test_packing_is_exact_and_the_same_twice() -> None:
    text = "é </script> \U0001f600 " * 100
    assert unpacked(packed(text)) == text
    assert packed(text) == packed(text)
    assert json.loads(unpacked(packed_json({"a": [1.5, float("nan")]}))) == {"a": [1.5, None]}


def test_every_script_is_part_of_the_page() -> None:
    assert {path.name for path in PAGE.glob("*.js")} == {*SCRIPTS, "theme.js"}
