"""``t2rl passk``: figures, marks of what is forecast, files of three kinds, and what it says to wrong
input."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from planner.estimators.counts_file import read_counts_file
from planner.estimators.pass_at_k import pass_at_k
from rl.cli import app

ROWS = [{"id": i, "n": 16, "c": c, "category": "ab"[i % 2]} for i, c in enumerate([0, 0, 1, 2, 5, 16, 0, 3])]


def write(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["passk", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_json_has_unbiased_figures_and_marked_forecasts(tmp_path: Path) -> None:
    code, out, _ = run(str(write(tmp_path / "c.jsonl", ROWS)), "--k", "1,8,64", "--json")
    assert code == 0
    rows = {(r["category"], r["k"]): r for r in json.loads(out)["rows"]}
    assert set(rows) == {(name, k) for name in ("all", "a", "b") for k in (1, 8, 64)}
    c = [r["c"] for r in ROWS]
    assert rows["all", 8]["value"] == pytest.approx(pass_at_k(16, c, 8).mean())
    assert rows["a", 8]["value"] == pytest.approx(pass_at_k(16, c[::2], 8).mean())
    assert rows["all", 8]["kind"] == "unbiased"
    far = rows["all", 64]
    assert far["kind"] == "forecast"
    assert far["low"] < far["value"] < far["high"]
    assert far["model_low"] <= far["value"] <= far["model_high"]
    assert set(far["models"]) == {"beta_binomial", "zero_inflated", "power_law"}


def test_the_table_says_what_is_a_forecast(tmp_path: Path) -> None:
    path = str(write(tmp_path / "c.jsonl", ROWS))
    code, out, _ = run(path, "--k", "8,64")
    assert code == 0
    assert out.count("forecast") >= 3
    code, out, _ = run(path)
    assert code == 0
    assert "forecast" not in out


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_plot(tmp_path: Path, suffix: str) -> None:
    picture = tmp_path / f"p.{suffix}"
    code, _, _ = run(str(write(tmp_path / "c.jsonl", ROWS)), "--k", "1,16,64", "--plot", str(picture))
    assert code == 0
    assert picture.read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")


def test_reference_of_your_own(tmp_path: Path) -> None:
    path = str(write(tmp_path / "c.jsonl", ROWS))
    deep = [
        [{"id": i, "n": 512, "c": c} for i, c in enumerate(cs)]
        for cs in ([0, 2, 9, 80], [1, 3, 30, 99], [0, 0, 5, 200])
    ]
    files = [str(write(tmp_path / f"r{i}.jsonl", rows)) for i, rows in enumerate(deep)]
    code, out, err = run(
        path, "--k", "64", "--json", *(part for file in files for part in ("--reference", file))
    )
    assert code == 0 and err == ""
    shipped = json.loads(run(path, "--k", "64", "--json")[1])["rows"][0]["value"]
    assert json.loads(out)["rows"][0]["value"] != shipped
    code, _, err = run(path, "--k", "64", "--reference", files[0])
    assert code == 2
    assert "at least 3" in err


def test_a_reference_of_other_problems_is_said_to_be_worse_than_none(tmp_path: Path) -> None:
    path = str(write(tmp_path / "c.jsonl", ROWS))
    files = [
        str(
            write(
                tmp_path / f"r{j}.jsonl",
                [{"id": f"other/{i}", "n": 512, "c": c * (j + 1)} for i, c in enumerate([0, 2, 9, 80])],
            )
        )
        for j in range(3)
    ]
    code, _, err = run(path, "--k", "64", *(part for file in files for part in ("--reference", file)))
    assert code == 0
    assert "worse than none" in err and files[0] in err


def test_separators_inside_ids_and_a_byte_order_mark_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(
        "\ufeff" + json.dumps({"id": "a\u2028b", "n": 4, "c": 1}, ensure_ascii=False) + "\r\n",
        encoding="utf-8",
    )
    assert [row.id for row in read_counts_file(path)] == ["a\u2028b"]


def test_evaluation_files_are_read_by_temperature(tmp_path: Path) -> None:
    rows = [{"version": 3, "temperature": t, "id": str(i), "category": "x", "n": n, "c": 1, "tokens": 9}
            for t, n in ((1.0, 4), (0.0, 1)) for i in range(3)]  # fmt: skip
    path = write(tmp_path / "version-00000003.jsonl", rows)
    assert [(r.n, r.c) for r in read_counts_file(path, temperature=1.0)] == [(4, 1)] * 3
    code, _, err = run(str(path))
    assert code == 2
    assert "--temperature" in err
    assert run(str(path), "--temperature", "1")[0] == 0
    code, _, err = run(str(path), "--temperature", "0.7")
    assert code == 2
    assert "[0.0, 1.0]" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": 1, "n": 4, "c": 1}\n{"id": 2, "n": 4}\n', ":2: c missing"),
        ('{"id": 1, "n": 4, "c": 5}\n', ":1: c is 5 of n = 4"),
        ('{"id": 1, "n": 0, "c": 0}\n', ":1: n is 0"),
        ('{"id": 1, "n": 4.5, "c": 0}\n', ":1: n is 4.5, not a whole number"),
        ('{"id": 1, "n": true, "c": 0}\n', ":1: n is True"),
        ('{"id": 1, "n": 4, "c": 1}\n\n{"id": 1, "n": 4, "c": 2}\n', ":3: id '1' is there already"),
        ('{"id": 1, "n": 4, "c": 1}\nnot json\n', ":2: not JSON"),
        ("[1, 2]\n", ":1: a row is an object"),
        ("", "no rows"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text, encoding="utf-8")
    code, _, err = run(str(path))
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--k", "1,x"], "--k 1,x"),
        (["--k", "0"], "1 or more"),
        (["--plot", "a.pdf"], ".svg"),
        (["--plot", "absent/a.svg"], "no directory absent"),
    ],
)
def test_bad_options(tmp_path: Path, arguments: list[str], said: str) -> None:
    code, _, err = run(str(write(tmp_path / "c.jsonl", ROWS)), *arguments)
    assert code == 2
    assert said in err


def test_a_missing_file(tmp_path: Path) -> None:
    code, _, err = run(str(tmp_path / "none.jsonl"))
    assert code == 2
    assert "no such file" in err
