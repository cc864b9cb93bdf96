"""GAIN-RL: the angle signal, the moving Gaussian, and where the signal comes from
(docs/methods/prompts.md#gain-rl)."""

import json
from pathlib import Path

import numpy as np
import pytest

from curricula.drawing.weighted import softmax
from curricula.prompts.angle import angle_signal, concentration
from curricula.prompts.gain import GainOrder
from tests.unit.curricula.worlds import World

TOKENS = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def signalled(size: int = 24) -> World:
    """Signals descend with the index: rank i is prompt i."""
    return World(size=size, metadata=lambda i: {"angle": 1.0 - i / 100})


def test_concentration_worked_example() -> None:
    assert concentration(TOKENS) == pytest.approx(0.471405, abs=5e-7)
    unit = TOKENS / np.linalg.norm(TOKENS, axis=1, keepdims=True)
    assert (unit @ unit.T).mean() == pytest.approx(0.647604, abs=2e-6), "with the diagonal, which is left out"
    assert concentration(7.5 * TOKENS) == pytest.approx(concentration(TOKENS))
    with pytest.raises(ValueError, match="1 tokens have no pair"):
        concentration(TOKENS[:1])


def test_the_signal_adds_question_and_template() -> None:
    hidden = np.concatenate([[[0.0, 2.0]], TOKENS])
    template, question = np.array([True, False, False, False]), np.array([1, 2, 3])
    inter = (0 + np.sqrt(0.5) + 1) / 3
    assert angle_signal(hidden, template=template, question=question) == pytest.approx(
        0.471405 + inter, abs=1e-6
    )
    assert angle_signal(hidden, template=template, question=question, w_inter=8) == pytest.approx(
        0.471405 + 8 * inter, abs=1e-5
    )
    with pytest.raises(ValueError, match="no template tokens"):
        angle_signal(hidden, template=np.zeros(4, dtype=bool), question=question)


def test_shift_worked_example() -> None:
    part = GainOrder()
    assert part.shift(0.3, 0.2) == pytest.approx(0.0, abs=1e-9)
    assert part.shift(0.6, 0.15) == pytest.approx(244.344, abs=5e-4)
    assert part.shift(0.0, -5.0) == 0.0
    assert GainOrder(low=-100).shift(0.0, -5.0) == -100.0
    assert part.shift(1.0, 5.0) <= 1000.0


def test_gaussian_worked_example() -> None:
    world, part = signalled(5), GainOrder(width=1.0)
    part.load_state_dict({"mu": 1.0})
    logits = part.prompt_logits(world.ctx(), np.arange(5))
    assert softmax(logits) == pytest.approx([0.257058, 0.423818, 0.257058, 0.057357, 0.004708], abs=5e-7)


def test_the_gaussian_moves_with_raw_accuracy_and_stays_in_the_pool() -> None:
    world, part = signalled(), GainOrder(width=2.0, stride=4.0)
    world.observe(part, [world.stat(0, n=10, correct=7), world.stat(2, n=10, correct=5)])
    moved = 4 * (np.tanh(2 * (0.6 - 0.5)) + np.tanh(2 * (1.0 + 0.98) / 2))
    assert part.metrics() == {"gain_position": pytest.approx(moved)}
    faster = GainOrder(width=2.0, stride=4.0)
    world.observe(faster, [world.stat(0, n=10, correct=10), world.stat(2, n=10, correct=10)])
    assert faster.metrics()["gain_position"] > moved, "higher accuracy moves it further"
    for _ in range(50):
        world.observe(part, [world.stat(0, n=10, correct=10)])
    assert part.metrics() == {"gain_position": 23.0}
    world.observe(part, [])
    assert part.prompt_logits(world.ctx(), np.arange(24)).argmax() == 23


def test_ranks_follow_the_signal_not_the_index() -> None:
    world = World(size=3, metadata=lambda i: {"angle": [0.2, 0.9, 0.5][i]})
    assert np.argsort(-GainOrder(width=1.0).prompt_logits(world.ctx(), np.arange(3))).tolist() == [1, 2, 0]


def test_the_signal_may_come_from_a_file(tmp_path: Path) -> None:
    rows = tmp_path / "signals.jsonl"
    rows.write_text("\n".join(json.dumps({"id": f"p{i}", "angle": i}) for i in range(4)))
    world, part = World(size=4), GainOrder(path=str(rows), width=1.0)
    part.check_pool(world.pool)
    assert part.prompt_logits(world.ctx(), np.arange(4)).argmax() == 3


def test_missing_and_broken_signals_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"24 of 24 prompts have no metadata\['angle'\], e\.g\. 'p0'"):
        GainOrder().check_pool(World().pool)
    with pytest.raises(ValueError, match="p0: angle is 'steep', but it must be a number"):
        GainOrder().check_pool(World(metadata=lambda i: {"angle": "steep"}).pool)
    with pytest.raises(ValueError, match=r"nowhere\.jsonl: No such file"):
        GainOrder(path=str(tmp_path / "nowhere.jsonl")).check_pool(World().pool)
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"id": "p0", "angle": 1}\n{"id": "p1"}\n')
    with pytest.raises(ValueError, match=r"broken\.jsonl:2: a row must be a JSON object with id and angle"):
        GainOrder(path=str(broken)).check_pool(World(size=2).pool)
    with pytest.raises(ValueError, match="high=-1"):
        GainOrder(high=-1)
