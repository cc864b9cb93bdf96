"""A machine without a compiler or ninja: DeepSpeed must not try to build anything (it does by default, when
the ranks join)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import shutil, sys
assert not any(shutil.which(tool) for tool in ("cc", "c++", "gcc", "g++", "clang", "ninja", "make"))
from tests.integration.learner.batches import make_batch
from tests.integration.learner.learner_host import free_port
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.rank import LearnerRank

config = LearnerConfig(zero_stage=2, optimizer=sys.argv[2], grad_clip=0)
rank = LearnerRank(config=config, algorithm=AlgorithmConfig(), model_path=sys.argv[1],
                   rank=0, world_size=1, seed=0, total_steps=2, max_tokens=32)
rank.setup("127.0.0.1", free_port())
assert rank.train(make_batch(0)).applied
rank.close()
print("trained without a compiler")
"""


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_without_a_compiler(tiny_llama: Path, tmp_path: Path, optimizer: str) -> None:
    unwanted = ("CC", "CXX", "DS_ACCELERATOR", "TORCH_COMPILE_DISABLE")
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    environment |= {
        "PATH": str(tmp_path),
        "TORCH_EXTENSIONS_DIR": str(tmp_path / "extensions"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_llama), optimizer],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "trained without a compiler" in done.stdout
