"""A DeepSpeed rank loads a tiny model and takes one step."""

import json
import socket
import sys
from pathlib import Path

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from rl.commands.doctor.tiny_model import write_tiny_model
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.rank import LearnerRank


def batch() -> TrainingBatch:
    """Two samples of one group, one of them right: three prompt tokens and three completion tokens each."""
    return TrainingBatch(
        step=0,
        token_ids=np.array([1, 5, 6, 7, 8, 2, 1, 5, 6, 9, 4, 2], dtype=np.int32),
        offsets=np.array([0, 6, 12], dtype=np.int64),
        prompt_lens=np.array([3, 3], dtype=np.int32),
        loss_mask=np.array([False] * 3 + [True] * 3 + [False] * 3 + [True] * 3),
        behavior_logprobs=np.array([0] * 3 + [-4.2] * 3 + [0] * 3 + [-4.2] * 3, dtype=np.float32),
        token_versions=np.array([-1] * 3 + [0] * 3 + [-1] * 3 + [0] * 3, dtype=np.int32),
        rewards=np.array([1.0, 0.0], dtype=np.float32),
        correct=np.array([True, False]),
        truncated=np.zeros(2, dtype=bool),
        demonstration=np.zeros(2, dtype=bool),
        segment_ids=np.array([0, 0], dtype=np.int32),
        group_ids=np.array([0], dtype=np.int64),
        temperature=1.0,
    )


def main(model: Path) -> str:
    """Train a tiny model for one step and return what was found."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rank = LearnerRank(
        config=LearnerConfig.model_validate({"device": device}),
        algorithm=AlgorithmConfig(),
        model_path=str(model),
        rank=0,
        world_size=1,
        seed=0,
        total_steps=1,
        max_tokens=8,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rank.setup("127.0.0.1", port)
    result = rank.train(batch())
    if not result.applied:
        raise RuntimeError(f"the step was refused: {result.metrics}")
    return f"DeepSpeed on {device} takes a step"


if __name__ == "__main__":
    print(json.dumps({"found": main(write_tiny_model(Path(sys.argv[1]) / "model"))}))
