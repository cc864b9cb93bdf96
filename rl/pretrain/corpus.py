"""The pretraining corpus: problems of the train split with solutions of mixed quality, fixed by its
config."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from rl.config.model import CorpusConfig
from rl.pretrain.solutions import WRITERS, Mistakes
from rl.pretrain.tokenizer import BOS_ID, EOS_ID, encode
from rl.tasks.rg_cells import CATEGORIES, Item, generator_args, iter_entries, split_of


@dataclass(frozen=True, slots=True)
class Document:
    """One problem with one solution."""

    prompt: str
    solution: str

    @property
    def prompt_ids(self) -> list[int]:
        """``<bos>`` and the prompt's characters."""
        return [BOS_ID, *encode(self.prompt)]

    @property
    def solution_ids(self) -> list[int]:
        """The solution's characters and ``<eos>``."""
        return [*encode(self.solution), EOS_ID]

    @property
    def num_tokens(self) -> int:
        """Tokens, special ones included."""
        return len(self.prompt) + len(self.solution) + 2


def write_solution(category: str, item: Item, rng: random.Random, config: CorpusConfig) -> str:
    """One solution: direct, sloppy or clean by the config's shares. The answer follows the ``#``."""
    writer = WRITERS[category]
    draw = rng.random()
    direct = draw < config.direct_share
    sloppy = not direct and draw < config.direct_share + config.sloppy_share
    steps, answer = writer(item, Mistakes(rng, config.step_error if sloppy else 0.0))
    if direct:
        if not steps:  # Without steps to skip, haste shows as mistakes.
            _, answer = writer(item, Mistakes(rng, config.step_error))
        return f"#{answer}"
    return f"{','.join(steps)}#{answer}"


def documents(config: CorpusConfig) -> Iterator[Document]:
    """Endless documents; none of their prompts is in the dev or test split."""
    unknown = [c for c in config.categories if c not in WRITERS]
    if unknown:
        raise ValueError(
            f"model.recipe.corpus.categories: no worked solutions for {unknown}; use {sorted(WRITERS)}"
        )
    rng = random.Random(config.seed)
    names, shares = list(config.categories), list(config.categories.values())
    levels = range(1, len(config.level_weights) + 1)
    args = {(c, n): generator_args(c, n, config.level_args) for c in names for n in levels}
    streams = {(c, n): iter_entries(c, args[c, n], seed=1_000_003 + config.seed) for c, n in args}
    while True:
        category = rng.choices(names, shares)[0]
        level = rng.choices(levels, config.level_weights)[0]
        _, entry = next(streams[category, level])
        prompt = CATEGORIES[category].question(entry["metadata"])
        if split_of(prompt) == "train":
            yield Document(prompt, write_solution(category, entry["metadata"], rng, config))


def corpus(config: CorpusConfig, *, tokens: int) -> list[Document]:
    """Documents worth at least ``tokens`` tokens."""
    taken, count = [], 0
    for document in documents(config):
        taken.append(document)
        count += document.num_tokens
        if count >= tokens:
            return taken
    raise AssertionError("the stream of documents is endless")
