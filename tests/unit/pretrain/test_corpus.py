"""The corpus: fixed by its config, never a held-out prompt, solutions as documented, quality as asked."""

import random
from collections import Counter
from itertools import islice
from typing import Any

import pytest
import torch

from rl.config.model import CorpusConfig
from rl.pretrain.batches import collate, plan_batches
from rl.pretrain.corpus import Document, corpus, documents
from rl.pretrain.solutions import WRITERS, Mistakes
from rl.pretrain.tokenizer import encode
from rl.tasks.rg_cells import split_of

PERFECT = Mistakes(random.Random(0), 0.0)


def some(number: int = 2000, **fields: Any) -> list[Document]:
    return list(islice(documents(CorpusConfig(**fields)), number))


@pytest.mark.parametrize(
    ("category", "item", "steps", "answer"),
    [
        ("chain_sum", {"expression": "3 - 7 + 8"}, ["3-7=-4", "-4+8=4"], "4"),
        ("count_bits", {"number": 18}, ["18:0", "9:1", "4:1", "2:1", "1:2"], "2"),
        ("gcd", {"numbers": [24, 36]}, ["36%24:12", "24%12:0"], "12"),
        ("number_sorting", {"sorted_numbers": ["9.0", "5.0", "2.0"]}, [], "9,5,2"),
        ("spell_backward", {"word": "Pin"}, [], "nip"),
    ],
)
def test_worked_solutions(category: str, item: dict[str, Any], steps: list[str], answer: str) -> None:
    assert WRITERS[category](item, PERFECT) == (steps, answer)


def test_mistakes_are_carried_on() -> None:
    steps, answer = WRITERS["chain_sum"]({"expression": "1 + 1 + 1"}, Mistakes(random.Random(0), 1.0))
    first, second = (step.split("=") for step in steps)
    assert first[1] != "2"
    assert second[0] == f"{first[1]}+1"
    assert second[1] == answer != "3"


def test_the_corpus_is_fixed_by_its_config() -> None:
    assert some(500) == some(500)
    assert some(500) != some(500, seed=2)


def test_no_document_is_held_out() -> None:
    docs = some(4000)
    assert {split_of(d.prompt) for d in docs} == {"train"}


def test_shares_of_styles_and_categories() -> None:
    docs = some(3000, categories={"chain_sum": 3.0, "gcd": 1.0}, direct_share=0.4, level_weights=(0.0, 1.0))
    assert Counter(d.prompt[0] for d in docs)["s"] == pytest.approx(2250, abs=100)
    assert sum(d.solution.startswith("#") for d in docs) == pytest.approx(1200, abs=120)
    assert all(len(d.prompt) == 8 for d in docs if d.prompt[0] == "s")  # three one-digit terms: level 2 alone


def test_sloppy_documents_are_often_wrong_and_clean_ones_never() -> None:
    def wrong(docs: list[Document]) -> float:
        return sum(int(d.solution.split("#")[1]) != eval(d.prompt[2:-1]) for d in docs) / len(docs)

    only = {"categories": {"chain_sum": 1.0}, "direct_share": 0.0, "level_weights": (0.0, 1.0)}
    assert wrong(some(300, sloppy_share=0.0, **only)) == 0.0
    # Two steps, each wrong with probability 0.3, hardly ever cancelling: 1 - 0.7**2 = 0.51.
    assert wrong(some(1500, sloppy_share=1.0, step_error=0.3, **only)) == pytest.approx(0.51, abs=0.06)


def test_unknown_categories_are_refused() -> None:
    with pytest.raises(ValueError, match=r"corpus.categories: no worked solutions for \['maze'\]"):
        some(1, categories={"maze": 1.0})


def test_shares_above_one_are_refused() -> None:
    with pytest.raises(ValueError, match="direct_share"):
        CorpusConfig(direct_share=0.7, sloppy_share=0.5)


def test_the_corpus_has_the_tokens_asked_for() -> None:
    docs = corpus(CorpusConfig(), tokens=5000)
    assert 5000 <= sum(len(d.prompt_ids) + len(d.solution_ids) for d in docs) < 5100
    assert all(d.num_tokens == len(d.prompt_ids) + len(d.solution_ids) for d in docs)


def test_batches_use_every_document_once_within_the_token_limit() -> None:
    docs = some(700)
    batches = plan_batches(docs, batch_tokens=512, seed=0)
    assert sorted(i for b in batches for i in b) == list(range(700))
    assert max(len(b) * max(docs[i].num_tokens for i in b) for b in batches) <= 512
    assert batches != plan_batches(docs, batch_tokens=512, seed=1)


def test_collate_targets_are_the_next_tokens_of_solutions_only() -> None:
    ids, targets = collate([Document("b 2=", "#1"), Document("b 2=", "2:0#1")])
    bos, eos, pad, no = 1, 2, 0, -100
    assert torch.equal(ids[0], torch.tensor([bos, *encode("b 2=#1"), eos, pad, pad, pad]))
    assert torch.equal(targets[0], torch.tensor([no, no, no, no, *encode("#1"), eos, no, no, no, no]))
    assert torch.equal(targets[1], torch.tensor([no, no, no, no, *encode("2:0#1"), eos, no]))
