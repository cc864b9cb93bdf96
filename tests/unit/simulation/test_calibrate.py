"""A run directory, made by the simulation itself, is read, fitted and predicted."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from rl.config.load import load_config
from rl.records.rollouts.files import file_name
from rl.records.rollouts.schema import table_of
from rl.records.trace import TraceWriter
from rl.run.estimate import estimate
from rl.simulation.calibrate import calibrate
from rl.simulation.load import load_system, system_yaml
from rl.simulation.summary import predict

STEPS, GROUPS, ROLLOUTS, PROMPT = 8, 6, 4, 10
STEP_S, SEQUENCE_S, TRAIN_S, TOKEN_S = 0.01, 0.001, 0.2, 1e-4


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A synchronous run of one engine whose seconds are known."""
    path = tmp_path / "known"
    (path / "rollouts").mkdir(parents=True)
    stream = {"prompts_per_step": GROUPS, "rollouts_per_prompt": ROLLOUTS, "max_staleness": 0}
    config = {"run": {"name": "known"}, "stream": stream, "rollout": {"max_num_seqs": 64, "max_tokens": 64}}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    attempts = [{"attempt": 1, "restored_step": 0}, {"attempt": 1, "pid": 1, "started_at": 0.0}]
    (path / "attempts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in attempts))
    rng, now, rows = np.random.default_rng(0), 1000.0, []
    trace = TraceWriter(path / "trace.json")
    for step in range(STEPS):
        lengths = rng.integers(4, 60, size=(GROUPS, ROLLOUTS))
        ends = _ends(lengths)
        for group, row in enumerate(lengths):
            trace.complete(
                "groups", f"plan {step}", now, now + float(ends[row].max()), group=step * 100 + group
            )
        pq.write_table(_rollouts(step, lengths), path / "rollouts" / file_name("step", step, 1))
        wait_s, tokens = float(ends.max()), int(lengths.sum()) + GROUPS * ROLLOUTS * PROMPT
        rows.append(_row(step, wait_s, TRAIN_S + TOKEN_S * tokens, tokens))
        now += rows[-1]["time/step_s"]
    trace.close()
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _ends(lengths: np.ndarray) -> np.ndarray:
    """[longest + 1] seconds after which sequences of so many tokens are done."""
    running = np.array([(lengths >= token).sum() for token in range(1, lengths.max() + 1)])
    return np.concatenate([[0.0], np.cumsum(STEP_S + SEQUENCE_S * running)])


def _rollouts(step: int, lengths: np.ndarray):
    count = lengths.size
    columns = {
        "attempt": [1] * count,
        "step": [step] * count,
        "group_id": [step * 100 + group for group in range(GROUPS) for _ in range(ROLLOUTS)],
        "index": list(range(ROLLOUTS)) * GROUPS,
        "length": lengths.ravel().tolist(),
        "prompt_length": [PROMPT] * count,
    }
    return table_of(columns, tokens=False)


def _row(step: int, wait_s: float, train_s: float, tokens: int) -> dict[str, float]:
    times = {"learner_wait_s": wait_s, "train_s": train_s, "publish_s": 0.02, "save_s": 0.0}
    return {
        "step": step,
        "attempt": 1,
        "learner/tokens": tokens,
        "rollout/groups": GROUPS,
        "rollout/groups_dropped": 0,
        "sync/push_s": 0.0,
        "time/step_s": wait_s + train_s + 0.02,
        **{f"time/{name}": value for name, value in times.items()},
    }


def test_a_run_comes_back_from_its_own_files(run: Path) -> None:
    found = calibrate([run])
    assert found.engine.points == (STEPS - 2) * GROUPS and found.engine.error < 0.02
    assert found.learner.seconds["token_s"] == pytest.approx(TOKEN_S, rel=0.01)
    assert found.spec.sync.publish_s == pytest.approx(0.02)
    assert found.spec.lengths.prompt_tokens == PROMPT
    assert abs(found.held[0].error) < 0.05
    larger = found.spec.model_copy(
        update={"plan": found.spec.plan.model_copy(update={"prompts_per_step": 4 * GROUPS})}
    )
    running = 4 * GROUPS * ROLLOUTS
    assert predict(larger, steps=20).step_s > TRAIN_S + TOKEN_S * running * 30, "four times the tokens"


def test_the_file_of_a_system_loads_as_it_was_and_a_run_loads_like_one(run: Path, tmp_path: Path) -> None:
    spec = calibrate([run]).spec
    file = tmp_path / "system.yaml"
    file.write_text(system_yaml(spec))
    assert load_system(str(file), []) == spec
    assert load_system(str(run), ["plan.max_staleness=2"]).plan.max_staleness == 2


def test_what_a_run_lacks_is_named(run: Path) -> None:
    (run / "trace.json").write_text("[")
    with pytest.raises(ValueError, match="not a trace"):
        calibrate([run])
    (run / "trace.json").unlink()
    with pytest.raises(ValueError, match=r"trace\.json: no such file"):
        calibrate([run])


def test_a_dry_run_estimates_from_an_earlier_run_of_its_name(run: Path, tmp_path: Path) -> None:
    asked = [f"run.dir={tmp_path}", "run.name=known", "run.steps=3600", "stream.prompts_per_step=12"]
    rows = dict(estimate(load_config("quickstart", asked)))
    assert rows["calibrated on"] == str(run)
    assert rows["simulated: hours of all steps"] == pytest.approx(
        rows["simulated: seconds of a step"], abs=1e-3
    )
    assert rows["simulated: seconds of a step"] > TRAIN_S
    (run / "trace.json").unlink()
    assert "no such file" in dict(estimate(load_config("quickstart", asked)))["none"]
    assert estimate(load_config("quickstart", [f"run.dir={tmp_path}", "run.name=unknown"])) == ()
