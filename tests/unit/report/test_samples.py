"""The rows of the sample browser: which are chosen, what they hold, and how much room they take."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel
from tokenizers.models import BPE

from rl.report.assemble import BOUND, assemble
from rl.report.packing import unpacked
from rl.report.samples.choose import choose
from rl.report.samples.pack import LONGEST, groups_with_tokens, pack_samples
from rl.report.samples.tokens import Pieces, token_columns
from rl.views.run_view import RunView
from tests.unit.report.made_runs import made_rollouts, made_run, rollout_row, write_rollouts

SCRIPT_END = "</script><img src=x onerror=alert(1)>"
ROOM = 2_000_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    path = made_run(tmp_path_factory.mktemp("runs") / "mine")
    made_rollouts(path)
    return RunView(path)


def content(run: RunView, most: int = 300) -> tuple[list[dict], dict]:
    """The rows as the browser makes them, and what was packed."""
    found = json.loads(unpacked(pack_samples([run], most=most, room=ROOM).packed))
    names = list(found["columns"])
    return [
        dict(zip(names, values, strict=True)) for values in zip(*found["columns"].values(), strict=True)
    ], found


def test_few_enough_rollouts_are_all_shown(run: RunView) -> None:
    rows = run.rollouts().num_rows + run.rollouts(evaluation=True).num_rows
    samples = pack_samples([run], most=10_000, room=ROOM)
    assert samples.kept == rows == 40 * 16 + 2 * 24
    assert samples.shown == 40 * 16 + 2 * 6 * 2, "of an evaluation two completions a problem are shown"


def test_groups_stay_whole_and_cover_the_training(run: RunView) -> None:
    chosen = choose(run, 120).training.to_pylist()
    groups: dict[int, int] = {}
    for row in chosen:
        groups[row["group_id"]] = groups.get(row["group_id"], 0) + 1
    assert set(groups.values()) == {4}
    assert 60 <= len(chosen) <= 120
    assert {0, 39} <= {row["step"] for row in chosen}


def test_prompts_that_came_again_are_shown_with_both_steps(run: RunView) -> None:
    steps: dict[str, set[int]] = {}
    for row in choose(run, 120).training.to_pylist():
        steps.setdefault(row["prompt_id"], set()).add(row["step"])
    assert sum(len(found) > 1 for found in steps.values()) >= 3


def test_held_out_problems_are_shown_at_every_version(run: RunView) -> None:
    rows = choose(run, 120).evaluations.to_pylist()
    assert {row["step"] for row in rows} == {0, 40}
    by_version = {step: {row["prompt_id"] for row in rows if row["step"] == step} for step in (0, 40)}
    assert by_version[0] == by_version[40] != set()


def test_rows_hold_what_the_files_hold(run: RunView) -> None:
    rows, found = content(run)
    original = {(row["step"], row["group_id"], row["index"]): row for row in run.rollouts().to_pylist()}
    training = [row for row in rows if not row["evaluation"]]
    for row in training:
        kept = original[row["step"], int(row["group_id"]), row["index"]]
        assert found["prompts"][row["prompt"]] == kept["prompt"]
        assert [row[name] for name in ("completion", "reward", "reason", "correct", "length")] == [
            kept[name] for name in ("completion", "reward", "reason", "correct", "length")
        ]
    assert len(found["prompts"]) < len(training), "a prompt is there once"


def test_too_little_room_gives_fewer_rows(run: RunView) -> None:
    whole = pack_samples([run], most=400, room=ROOM)
    room = len(whole.packed) // 3
    less = pack_samples([run], most=400, room=room)
    assert len(less.packed) <= room and 0 < less.shown < whole.shown
    assert f"{less.shown} of the 688" in less.note


def test_no_rollouts_no_browser(tmp_path: Path, run: RunView) -> None:
    assert pack_samples([RunView(made_run(tmp_path / "old", steps=1, every=1))], most=100, room=ROOM) is None
    assert pack_samples([run], most=0, room=ROOM) is None


def test_long_texts_are_cut_and_say_so(tmp_path: Path, run: RunView) -> None:
    path = made_run(tmp_path / "long", steps=1, every=1)
    made_rollouts(path, steps=1, groups=1, size=2, words=10_000)
    rows, _ = content(RunView(path))
    assert all(len(row["completion"]) < LONGEST + 100 for row in rows)
    assert "characters are left out here" in rows[0]["completion"]


def test_what_a_model_writes_never_reaches_the_markup(tmp_path: Path) -> None:
    import numpy as np

    path = made_run(tmp_path / "evil", steps=1, every=1)
    row = rollout_row(0, 0, 0, np.random.default_rng(0))
    row |= {"completion": SCRIPT_END, "prompt": SCRIPT_END, "reason": SCRIPT_END, "category": SCRIPT_END}
    write_rollouts(path / "rollouts/step-00000000.attempt-001.parquet", [row], tokens=False)
    html = assemble([RunView(path)], samples=10).html
    assert SCRIPT_END not in html and "onerror" not in html
    rows, found = content(RunView(path))
    assert rows[0]["completion"] == SCRIPT_END and found["prompts"] == [SCRIPT_END]


def test_a_large_run_keeps_to_the_bound_of_a_page(tmp_path: Path) -> None:
    import numpy as np

    path = made_run(tmp_path / "large", steps=2, every=2)
    rng = np.random.default_rng(0)
    for step in range(2):
        rows = [rollout_row(step, group, i, rng, words=1500) for group in range(30) for i in range(8)]
        write_rollouts(path / f"rollouts/step-{step:08d}.attempt-001.parquet", rows, tokens=False)
    made = assemble([RunView(path)], samples=480)
    assert 0 < made.samples_shown < 480 and len(made.html.encode()) <= BOUND


def test_tokens_have_their_texts_and_values(tmp_path: Path) -> None:
    vocabulary = {"h": 0, "i": 1, "Ã": 2, "©": 3}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[]))
    tokenizer.decoder = ByteLevel()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    row = {
        "token_ids": [0, 2, 3, 1],
        "token_advantages": [0.5, None, -0.25, 1 / 3],
        "logprobs": [-1.0, -2.0, -0.5, None],
        "learner_logprobs": [-1.5, -2.0, -0.25, -1.0],
    }
    assert token_columns(row, Pieces(tmp_path)) == {
        "pieces": ["h", "", "é", "i"],
        "token_advantage": [0.5, None, -0.25, 0.333],
        "token_gap": [0.5, 0.0, 0.25, None],
    }
    without = token_columns(row, Pieces(tmp_path / "none"))
    assert set(without.values()) == {None}


def test_tokens_are_shown_of_whole_groups_from_all_over_the_training() -> None:
    rows = [{"group_id": group, "token_ids": [0] * 10} for group in range(100) for _ in range(4)]
    chosen = groups_with_tokens(rows, 1000)
    assert len(chosen) == 25 and min(chosen) < 20 and max(chosen) > 80
    assert groups_with_tokens([{"group_id": 0, "token_ids": None}], 1000) == set()


def test_figures_of_rollouts_tell_right_from_wrong(run: RunView) -> None:
    from rl.report.figures import FIGURES

    boxes = {trace.name: trace for trace in FIGURES["lengths"].draw([run]).data}
    assert set(boxes["right"].median) == {12} and set(boxes["wrong"].median) == {24}
    bars = {trace.name: trace for trace in FIGURES["reasons"].draw([run]).data}
    assert set(bars["equal"].y) == set(bars["no answer"].y) == {0.5}
