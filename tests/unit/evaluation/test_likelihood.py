"""Bits a byte of text, and the suites' table."""

import asyncio
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from rl.evaluation.likelihood import (
    Passage,
    bits_per_byte,
    likelihood_file,
    passage_rows,
    read_rows,
    write_rows,
)
from rl.evaluation.suite_results import BITS, render_suites, suite_lines
from rl.evaluation.suites.packaged import TEXT
from rl.views.evaluations import evaluation_file
from tests.unit.commands.suites.test_figures import results


def test_bits_a_byte_by_hand_and_in_batches() -> None:
    asked: list[list[int]] = []

    async def score(sequences: list[list[int]]) -> Sequence[Sequence[float]]:
        asked.append([len(s) for s in sequences])
        return [[-math.log(2.0)] * (len(s) - 1) for s in sequences]

    passages = [
        Passage(id=str(i), text="é" * size, token_ids=(0,) * (size + 1))
        for i, size in enumerate((1500, 500, 100))
    ]
    rows = asyncio.run(passage_rows(passages, score, version=3))
    assert asked == [[1501, 501], [101]]
    assert [row["bits_per_byte"] for row in rows] == pytest.approx([0.5] * 3)  # two bytes, one bit
    assert rows[0] == {
        "version": 3,
        "id": "0",
        "bytes": 3000,
        "tokens": 1500,
        "nats": pytest.approx(1500 * math.log(2)),
        "bits_per_byte": pytest.approx(0.5),
    }
    assert bits_per_byte(rows) == pytest.approx(0.5)


def test_the_packaged_text_is_passages_of_plain_english() -> None:
    text = TEXT.read_text(encoding="utf-8")
    passages = text.strip().split("\n\n")
    assert len(passages) == len(set(passages)) >= 40
    assert text.isascii() and all(200 < len(passage) < 600 and "\n" not in passage for passage in passages)


def test_suites_are_compared_first_to_last_in_the_lineage(tmp_path: Path) -> None:
    folder = tmp_path / "eval" / "facts"
    folder.mkdir(parents=True)
    for version, bits in ((0, 1.0), (4, 1.2), (9, 7.0)):
        rows = [{"version": version, "id": str(i), "bits_per_byte": bits + i / 100} for i in range(9)]
        write_rows(likelihood_file(folder, version), rows)
    assert read_rows(likelihood_file(folder, 4))[0]["bits_per_byte"] == 1.2
    results(tmp_path / "eval", "answers", [0, 1, 4, 4])  # one version only: nothing to compare
    (line,) = suite_lines(tmp_path / "eval", upto=5, resamples=100)
    assert (line.suite, line.metric, line.first, line.last, line.problems) == ("facts", BITS, 0, 4, 9)
    assert line.difference.value == pytest.approx(0.2)
    for version in (0, 4):
        file = evaluation_file(tmp_path / "eval" / "sums", version)
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            "".join(
                json.dumps(
                    {
                        "version": version,
                        "temperature": 0,
                        "id": str(i),
                        "category": "x",
                        "difficulty": 0,
                        "n": int((version, i) != (4, 2)),  # one that nobody could judge
                        "c": int(version == 4 and i != 2),
                        "tokens": 9,
                    }
                )
                + "\n"
                for i in range(9)
            )
        )
    greedy = next(
        one for one in suite_lines(tmp_path / "eval", upto=5, resamples=100) if one.metric == "greedy"
    )
    assert (greedy.problems, greedy.before.value, greedy.after.value) == (8, 0.0, 1.0)
    out = io.StringIO()
    Console(width=100, file=out).print(render_suites([line]))
    assert "facts (9)" in out.getvalue() and "1.240" in out.getvalue()
