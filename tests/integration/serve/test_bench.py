"""``t2rl bench`` as users start it: int8 weights on the real engine under loads and a trace, and a cost for
the planner."""

import json
import subprocess
import sys
from pathlib import Path

from planner.cost.measured import read_costs
from rl.config.load import load_config
from rl.run.prepare.inputs import locate_model

ROOT = Path(__file__).parents[3]


def test_a_load_test_of_a_real_engine_and_its_cost(tmp_path: Path) -> None:
    model, trace, out = locate_model(load_config("debug")), tmp_path / "trace.jsonl", tmp_path / "cost.json"
    rows = [{"t": 0.1 * i, "in": 6 + i % 3, "out": 4} for i in range(6)]
    trace.write_text("".join(json.dumps(row) + "\n" for row in rows))
    loads = [
        "--concurrency",
        "1,2,4",
        "--prompt-tokens",
        "8,16",
        "--answer-tokens",
        "6",
        "--trace",
        str(trace),
        "--bits",
        "8",
    ]
    command = [sys.executable, "-m", "rl.cli", "bench", str(model), "debug", "rollout.cores=null", *loads]
    done = subprocess.run(
        [*command, "--requests", "6", "--to", str(out)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "[7/7] trace trace.jsonl" in done.stderr and "seconds of a step = " in done.stdout
    result = json.loads(out.read_text())
    assert "quantised to 8 bits" in done.stderr and result["bits"] == 8
    # Other kernels than float32's, and not far from them.
    assert 1e-6 < result["accuracy"]["mean_absolute"] < 0.5
    assert result["memory"]["peak_mib"] >= result["memory"]["loaded_mib"] > 0
    for row in result["points"]:
        seen = row["measured"]
        assert seen["requests"] == 6 and seen["tokens_per_s"] > 0
        assert 0 < seen["first_p50_s"] <= seen["first_p95_s"] <= seen["seconds"]
        assert 0 < seen["between_p50_s"] <= seen["between_p95_s"]
    cost = read_costs([out])[model.name, 8]
    assert cost.step_s(4, 10) < 4 * cost.step_s(1, 10), "a batch costs less than its sequences alone"
