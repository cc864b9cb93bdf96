"""The lattice of a ladder, and its YAML."""

from pathlib import Path

import pytest
import torch

from rl.config.errors import ConfigError
from rl.ladder import stream
from rl.ladder.ladder import SHIPPED, load_ladder, non_embedding
from rl.ladder.layout import LadderDir
from rl.ladder.stream import batches_from, block_batches, epoch_batches
from rl.pretrain.corpus import documents
from rl.pretrain.lean import LeanLlama
from rl.pretrain.tokenizer import VOCAB_SIZE


def test_standard_is_an_isoflop_lattice() -> None:
    full = load_ladder("standard", max_level=7)
    assert len(full.cells()) == 16
    assert sum(c.train_flops for c in full.cells()) == pytest.approx(8.67e15, rel=0.02)
    cells = load_ladder("standard").cells()
    assert [c.level for c in cells] == [1, 2, 2, 3, 3, 3, 4, 4, 4, 4]
    assert sum(c.train_flops for c in cells) == pytest.approx(3.76e14, rel=0.01)
    for level, flops in ((1, 1.20e12), (2, 4.80e12), (3, 1.92e13), (4, 7.68e13)):
        assert all(c.train_flops == pytest.approx(flops, rel=0.015) for c in cells if c.level == level)


@pytest.mark.parametrize("name", sorted(p.stem for p in SHIPPED.glob("*.yaml")))
def test_params_are_counted_without_the_embedding(name: str) -> None:
    ladder = load_ladder(name, max_level=99)  # every size has a cell there
    for size, label in ((s, float(s.removesuffix("k")) * 1e3) for s in ladder.sizes):
        recipe = ladder.recipe(size)
        with torch.device("meta"):
            model = LeanLlama(recipe, VOCAB_SIZE)
        n = non_embedding(recipe)
        assert n == model.num_parameters() - model.embed.weight.numel()
        assert n == pytest.approx(label, rel=0.05)
        cell = next(c for c in ladder.cells() if c.size == size)
        assert cell.params_total == model.num_parameters()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nsizes: {}\nratios: [5]\n", "sizes"),
        ("name: x\nratios: [5]\n", "sizes: Field required"),
        (
            (
                "name: x\nsizes: {a: {hidden_size: 8, num_layers: 1, num_heads: 1, intermediate_size:"
                " 8}}\nratios: [20, 5]\n"
            ),
            "must rise",
        ),
        ("name: x\nsises: {}\nratios: [5]\n", "sises"),
    ],
)
def test_wrong_ladders_name_the_field(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_ladder(str(file))


def test_unknown_ladder() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'smoke'"):
        load_ladder("smok")


def test_a_directory_keeps_one_ladder(tmp_path: Path) -> None:
    directory = LadderDir(tmp_path)
    with pytest.raises(ConfigError, match="t2rl bases build"):
        directory.ladder()
    directory.adopt(load_ladder("standard"))
    directory.adopt(load_ladder("standard", max_level=5))  # more levels may join
    assert directory.ladder().max_level == 5
    with pytest.raises(ConfigError, match="another ladder"):
        directory.adopt(load_ladder("smoke"))
    with (
        directory.locked("build"),
        pytest.raises(ConfigError, match="at work"),
        LadderDir(tmp_path).locked("build"),
    ):
        pass


def test_the_stream_can_be_entered_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BLOCK_DOCUMENTS", 500)
    corpus = load_ladder("smoke").corpus
    first = block_batches(corpus, 0, batch_tokens=1024)
    last = len(first) - 1
    batches = batches_from(corpus, 0, last, batch_tokens=1024)
    after, docs = next(batches)
    assert after == (1, 0) and docs == first[last]
    after, docs = next(batches)
    assert after == (1, 1) and docs not in first
    assert all(d.solution.startswith("#") for d in docs)  # answers without steps


def test_distinct_tokens_are_seen_again_in_another_order() -> None:
    corpus = load_ladder("repeated").corpus
    batches = batches_from(corpus, 0, 0, batch_tokens=1024, unique_tokens=4000)
    epochs: dict[int, list[str]] = {0: [], 1: [], 2: []}
    at = (0, 0)
    while at[0] < 3:
        number, (at, docs) = at[0], next(batches)
        epochs[number] += [d.prompt for d in docs]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2])
    assert epochs[0] != epochs[1] != epochs[2]
    tokens = [
        sum(d.num_tokens for d in docs)
        for docs in epoch_batches(corpus, 0, batch_tokens=1024, unique_tokens=4000)
    ]
    assert 4000 <= sum(tokens) < 4100


def test_a_seed_is_of_the_weights_and_of_the_documents() -> None:
    first, second = load_ladder("small"), load_ladder("small", seed=2)
    assert second.recipe("6k").seed == 2
    assert second.recipe("6k").corpus.seed == first.recipe("6k").corpus.seed + 2
    assert load_ladder("repeated", unique_tokens=500).unique_tokens == 500
    assert second.evaluation == first.evaluation, "the problems are the same"


def test_small_goes_on_below_distinct() -> None:
    by_name = {c.name: c for c in load_ladder("distinct").cells()}
    small = load_ladder("small", max_level=6)
    assert small.corpus == load_ladder("distinct").corpus
    for cell in small.cells():
        if cell.name in by_name:
            assert cell.params == by_name[cell.name].params
            assert cell.level == by_name[cell.name].level + 2


def test_levels_of_corpus_and_problems_are_the_same(tmp_path: Path) -> None:
    shape = "sizes: {a: {hidden_size: 8, num_layers: 1, num_heads: 1, intermediate_size: 8}}\nratios: [5]\n"
    levels = "level_args: {gcd: [{min_value: 20, max_value: 299}]}"
    corpus = f"corpus: {{categories: {{gcd: 1}}, level_weights: [1], {levels}}}\n"
    file = tmp_path / "mine.yaml"
    file.write_text(f"name: x\n{shape}{corpus}evaluation: {{levels: [1]}}\n")
    with pytest.raises(ConfigError, match=r"level_args\.gcd: must be those of corpus\.level_args"):
        load_ladder(str(file))
    # problems that no corpus of ours has
    others = "task: {style: question, categories: [lcm], level_args: {lcm: [{}]}}"
    file.write_text(f"name: x\n{shape}{corpus}evaluation: {{levels: [1], {others}}}\n")
    assert load_ladder(str(file)).evaluation.task["categories"] == ["lcm"]
    file.write_text(
        f"name: x\n{shape}{corpus}evaluation: {{levels: [1], task: {{categories: [gcd], {levels}}}}}\n"
    )
    corpus_of = load_ladder(str(file)).corpus
    prompts = [next(documents(corpus_of.model_copy(update={"seed": seed}))).prompt for seed in range(20)]
    assert all(min(map(int, p.removeprefix("g ").removesuffix("=").split(","))) >= 20 for p in prompts)
