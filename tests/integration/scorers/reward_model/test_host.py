"""The model itself: scores equal a plain forward pass, whatever the batch, and unusable directories are
refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rl.config.reward_model import RewardModelConfig
from rl.scorers.reward_model import check_reward_model
from rl.scorers.reward_model.host import RewardModelHost

Make = Callable[..., RewardModelConfig]
PAIRS = [
    ("2+2=", "4"),
    ("2+2=", "five, or rather six"),
    ("12*3=", "36"),
    ("", "x"),
    ("a long prompt " * 3, "and its answer"),
]


def plain_scores(path: Path, texts: list[str]) -> list[float]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(path),
        AutoTokenizer.from_pretrained(path),
    )
    with torch.inference_mode():
        return [float(model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0, 0]) for text in texts]


def test_scores_are_those_of_each_text_alone(make_config: Make, model_dir: Path) -> None:
    expected = plain_scores(model_dir, [prompt + text for prompt, text in PAIRS])
    assert len({round(score, 4) for score in expected}) == len(PAIRS)
    for batch_size in (1, 2, 5):
        host = RewardModelHost(make_config(batch_size=batch_size))
        assert host.score(PAIRS) == pytest.approx(expected, abs=1e-4)
        assert host.score(PAIRS[::-1]) == pytest.approx(expected[::-1], abs=1e-4)


def test_a_long_text_keeps_its_end(make_config: Make) -> None:
    host = RewardModelHost(make_config(max_length=8))
    assert host.score([("", "x" * 50 + "abcdefgh")]) == pytest.approx(
        host.score([("", "abcdefgh")]), abs=1e-4
    )


def test_a_prompt_that_begins_with_the_start_token_is_read_with_one(make_config: Make) -> None:
    """As every chat prompt does whose template writes it."""
    host = RewardModelHost(make_config())
    assert host.score([("<bos>2+2=", "4")]) == pytest.approx(host.score([("2+2=", "4")]), abs=1e-5)


def test_template_and_squash(make_config: Make) -> None:
    logit = RewardModelHost(make_config(template="Q{prompt}A{completion}")).score([("1", "2")])
    squashed = RewardModelHost(make_config(template="{completion}", squash="sigmoid")).score([("1", "Q1A2")])
    assert squashed == pytest.approx([float(torch.tensor(logit[0]).sigmoid())], abs=1e-4)


def test_several_labels_give_a_probability(make_config: Make, model_dir: Path, tmp_path: Path) -> None:
    from transformers import LlamaForSequenceClassification

    torch.manual_seed(1)
    shutil.copytree(model_dir, tmp_path / "m")
    model = LlamaForSequenceClassification.from_pretrained(model_dir)
    model.config.num_labels = 3
    LlamaForSequenceClassification(model.config).save_pretrained(tmp_path / "m")
    scores = [
        RewardModelHost(make_config(path=str(tmp_path / "m"), label=label)).score(PAIRS[:1])[0]
        for label in range(3)
    ]
    assert sum(scores) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match=r"reward_model.label: 3 does not exist; the model has 3 labels"):
        RewardModelHost(make_config(path=str(tmp_path / "m"), label=3))


def test_a_language_model_is_no_reward_model(make_config: Make, model_dir: Path, tmp_path: Path) -> None:
    from transformers import LlamaForCausalLM, LlamaForSequenceClassification

    shutil.copytree(model_dir, tmp_path / "m")
    config = LlamaForSequenceClassification.from_pretrained(model_dir).config
    LlamaForCausalLM(config).save_pretrained(tmp_path / "m")
    with pytest.raises(
        ValueError, match=r"\['LlamaForCausalLM'\]; a reward model is a ...ForSequenceClassification"
    ):
        check_reward_model(make_config(path=str(tmp_path / "m")))
    with pytest.raises(ValueError, match=r"lacks the weights \['score.weight'\], which would be random"):
        RewardModelHost(make_config(path=str(tmp_path / "m")))


def test_the_directory_is_checked_before_anything_loads(
    make_config: Make, model_dir: Path, tmp_path: Path
) -> None:
    check_reward_model(make_config())
    with pytest.raises(ValueError, match=r"reward_model.path: .* holds no config.json"):
        check_reward_model(make_config(path=str(tmp_path)))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ValueError, match="of no named architecture"):
        check_reward_model(make_config(path=str(tmp_path)))
