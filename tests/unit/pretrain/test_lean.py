"""The lean Llama against transformers, and Muon against its definition."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rl.config.model import RecipeConfig
from rl.pretrain.export import export
from rl.pretrain.lean import LeanLlama
from rl.pretrain.muon import BatchedMuon, orthogonalise
from rl.pretrain.tokenizer import CHARACTERS, UNK_ID, VOCAB_SIZE, char_tokenizer, encode
from tests.unit.pretrain.recipes import nano


def randomised(recipe: RecipeConfig) -> LeanLlama:
    """Norms and head away from their initial values, so that a swapped weight shows."""
    torch.manual_seed(0)
    model = LeanLlama(recipe, VOCAB_SIZE)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("heads", [2, 4])
def test_logits_equal_those_of_the_exported_model(tmp_path: Path, tied: bool, heads: int) -> None:
    recipe = nano(tied=tied, num_heads=heads)  # 4 heads of 16: attention wider than the hidden size
    model = randomised(recipe)
    export(model, recipe, tmp_path, facts={"seconds": 1.0})
    exported = AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = torch.randint(0, VOCAB_SIZE, (3, 90))
    with torch.no_grad():
        assert torch.allclose(model(ids), exported(ids).logits, atol=1e-5, rtol=0)
    assert exported.num_parameters() == model.num_parameters()
    assert exported.config.tie_word_embeddings is tied
    assert (exported.lm_head.weight is exported.model.embed_tokens.weight) is tied


def test_right_padding_changes_nothing() -> None:
    model = randomised(nano())
    ids = torch.randint(4, VOCAB_SIZE, (1, 20))
    padded = torch.cat([ids, torch.zeros(1, 9, dtype=torch.long)], dim=1)
    with torch.no_grad():
        assert torch.allclose(model(padded)[:, :20], model(ids), atol=1e-5)


def test_the_exported_tokenizer_is_one_token_per_character(tmp_path: Path) -> None:
    char_tokenizer(96).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert len(tokenizer) == VOCAB_SIZE == 64
    assert (
        tokenizer(CHARACTERS, add_special_tokens=False)["input_ids"]
        == encode(CHARACTERS)
        == list(range(4, 64))
    )
    assert tokenizer("s 1")["input_ids"] == [1, *encode("s 1")]
    assert tokenizer.decode([1, *encode("a  b #1,2"), 2], skip_special_tokens=True) == "a  b #1,2"
    assert tokenizer("É", add_special_tokens=False)["input_ids"] == encode("É") == [UNK_ID]


def test_orthogonalise_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((3, 16, 48), (3, 48, 16)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
        assert values.min() > 0.5
        assert values.max() < 1.3


def test_muon_step_by_hand() -> None:
    matrix = torch.nn.Parameter(torch.full((4, 1), 2.0))
    optimizer = BatchedMuon([matrix], lr=0.1, momentum=0.5, weight_decay=0.2)
    matrix.grad = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    optimizer.step()
    # A rank-one update keeps its direction; its length is one fixed number r, times sqrt(rows / columns) = 2.
    r = orthogonalise(torch.tensor([[[1.0], [0.0], [0.0], [0.0]]]))[0, 0, 0].item()
    expected = torch.full((4, 1), 2.0 * (1 - 0.1 * 0.2))
    expected[0] -= 0.1 * 2 * r
    assert torch.allclose(matrix.data, expected, atol=1e-6)
    # Momentum: m = 0.5 * 0 + 0.5 * g, so the state is half the gradient.
    assert torch.allclose(optimizer.state[matrix]["momentum"], 0.5 * matrix.grad)
