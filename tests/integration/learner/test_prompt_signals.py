"""What curricula ask of the learner, against plain transformers and ``curricula.prompts.angle``, in real
DeepSpeed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from curricula.prompts.angle import angle_signal, concentration
from tests.integration.learner.batches import VOCAB
from tests.integration.learner.learner_host import Hosts

HEAD, TAIL = 2, 1
COLUMNS = ["hidden", "intra", "inter"]


def questions(count: int = 9) -> list[list[int]]:
    """Of 1 to 12 tokens between two template tokens in front and one behind."""
    draw = np.random.default_rng(0)
    return [[5, 6, *draw.integers(8, VOCAB, 1 + (5 * i) % 12).tolist(), 7] for i in range(count)]


def plainly(path: Path, prompts: list[list[int]]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Last hidden state of each prompt, and [T, H] inputs of the last up-projection: one prompt at a time,
    without padding."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    caught: list[np.ndarray] = []
    model.model.layers[-1].mlp.up_proj.register_forward_pre_hook(
        lambda module, given: caught.append(given[0][0].numpy())
    )
    with torch.no_grad():
        hidden = [
            model(torch.tensor([p]), output_hidden_states=True).hidden_states[-1][0, -1].numpy()
            for p in prompts
        ]
    return np.array(hidden), caught


@pytest.mark.parametrize(
    ("world", "stage", "lora"), [(1, 0, None), (2, 2, {"r": 4, "alpha": 8}), (2, 3, None)]
)
def test_the_learner_says_what_transformers_says(
    hosts: Hosts, tiny_llama: Path, world: int, stage: int, lora: dict | None
) -> None:
    hosts.build(tiny_llama, world=world, zero_stage=stage, lora=lora, micro_batch_tokens=32)
    prompts = questions()
    found = hosts.call("prompt_signals", prompts, COLUMNS, (HEAD, TAIL))
    hidden, inputs = plainly(tiny_llama, prompts)
    assert found["hidden"].dtype == np.float32
    np.testing.assert_allclose(found["hidden"], hidden, atol=2e-5)
    for place, states in enumerate(inputs):
        own, template = np.arange(HEAD, len(states) - TAIL), [0, 1, len(states) - 1]
        if len(own) < 2:
            assert (
                found["intra"][place] == pytest.approx(concentration(states), abs=1e-6)
                and found["inter"][place] == 0
            )
            continue
        assert found["intra"][place] == pytest.approx(concentration(states[own]), abs=1e-6)
        whole = angle_signal(states, template=np.array(template), question=own, w_inter=8.0)
        assert found["intra"][place] + 8.0 * found["inter"][place] == pytest.approx(whole, abs=1e-5)
    assert np.ptp(found["intra"]) > 0.05, "prompts differ"


def test_only_what_is_asked_for_and_not_of_nothing(hosts: Hosts, tiny_llama: Path) -> None:
    hosts.build(tiny_llama)
    assert set(hosts.call("prompt_signals", [[5], [5, 9]], ["hidden"], (0, 0))) == {"hidden"}
    found = hosts.call("prompt_signals", [[5], [5, 9]], ["intra", "inter"], (1, 0))
    assert found["intra"][0] == 0 and found["inter"].tolist() == [
        0,
        0,
    ], "too short for a template: questions whole"
    with pytest.raises(ValueError, match="each needs a token"):
        hosts.call("prompt_signals", [[5], []], ["hidden"], (0, 0))
