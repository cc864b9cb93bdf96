"""The frozen reference in bfloat16 rounds its parameters, as DeepSpeed does for the policy, and no buffer."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from rl.config.algorithm import KlConfig
from rl.config.learner import LearnerConfig
from rl.learner.micro_batch import MicroBatch
from rl.learner.model import load_model
from rl.learner.reference import build_reference
from tests.unit.learner.models.model_bases import save_base


def test_a_bf16_reference_keeps_its_rotary_frequencies(tmp_path: Path) -> None:
    base = save_base("llama", tmp_path)
    config = LearnerConfig(dtype="bfloat16")
    engine = SimpleNamespace(device="cpu", module=SimpleNamespace(sequence_group=None))
    reference = build_reference(engine, str(base), KlConfig(coefficient=0.1), config)
    assert reference is not None
    policy = load_model(str(base), config).eval()
    for parameter in policy.parameters():
        parameter.data = parameter.data.bfloat16()
    ids = torch.randint(3, 90, (1, 60), generator=torch.Generator().manual_seed(0))
    select, targets = torch.arange(59), ids[0, 1:]
    micro = MicroBatch(
        input_ids=ids,
        position_ids=None,
        boundaries=None,
        select=select,
        targets=targets,
        flat=np.arange(59),
        sample=np.zeros(59, int),
        num_tokens=60,
        most_loss_tokens=59,
    )
    with torch.no_grad():
        expected = policy(ids, None, None, select, targets, 1.0)
        assert torch.equal(reference(micro, 1.0), expected)
        rounded = policy.to(torch.bfloat16)(ids, None, None, select, targets, 1.0)
    assert not torch.equal(rounded, expected)
