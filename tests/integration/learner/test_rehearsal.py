"""The rehearsal for bare GPU machines: it runs where there is nothing but torch and transformers, and where
DeepSpeed is too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BARE = """
import importlib.abc, runpy, sys
from importlib import util

ABSENT = {"pydantic", "deepspeed", "ray", "vllm", "hydra", "omegaconf",
          "psutil", "peft", "accelerate", "rich", "wandb", "datasets"}
real = util.find_spec
util.find_spec = lambda name, *rest: None if name.split(".")[0] in ABSENT else real(name, *rest)


class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Nothing())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("bare", [True, False])
def test_it_measures_what_the_machine_can_run(tmp_path: Path, bare: bool) -> None:
    script = ROOT / "benchmarks" / "gpu" / "rehearsal.py"
    arms = ["packed, layers recomputed", "DeepSpeed, stage 3"]
    command = [
        sys.executable,
        *(["-c", BARE] if bare else []),
        str(script),
        "--cpu",
        "--tiny",
        "--out",
        str(tmp_path),
    ]
    command += [part for arm in arms for part in ("--arm", arm)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_COMPILE_DISABLE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads((tmp_path / "gpu_rehearsal.json").read_text())
    assert result["agreement"]["ok"] and list(result["arms"]) == arms
    plain, sharded = (result["arms"][arm] for arm in arms)
    assert plain["tokens_per_s"] > 0 and plain["padding_share"] == 0
    assert ("skipped" in sharded) == bare and (bare or sharded["tokens_per_s"] > 0)
