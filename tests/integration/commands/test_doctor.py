"""The doctor on this machine: Ray starts, a vLLM engine answers, DeepSpeed takes a step."""

import json
import os
import subprocess
import sys


def test_this_machine_is_fit_to_train() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rl.cli", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
        env=os.environ,
    )
    checks = {c["name"]: c for c in json.loads(done.stdout)}
    assert done.returncode == 0, checks
    assert checks["ray"]["found"].startswith("Ray 2.60.0 starts and answers")
    assert checks["engine"]["found"].startswith("vLLM on") and checks["learner"]["found"].startswith(
        "DeepSpeed on"
    )
