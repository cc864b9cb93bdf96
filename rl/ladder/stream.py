"""Endless pretraining batches that can be entered at any block: long runs hold no corpus and resume without a
replay."""

from collections.abc import Iterator
from itertools import islice

from rl.config.model import CorpusConfig
from rl.pretrain.batches import plan_batches
from rl.pretrain.corpus import Document, corpus, documents

BLOCK_DOCUMENTS = 16_384
BLOCK_SEED_STRIDE = 7_919
"""Block b draws its documents from seed + b * stride, so that seeds of neighbouring ladders share no
block."""


def block_batches(config: CorpusConfig, block: int, *, batch_tokens: int) -> list[list[Document]]:
    """The batches of one block, a pure function of its arguments."""
    seeded = config.model_copy(update={"seed": config.seed + BLOCK_SEED_STRIDE * (block + 1)})
    docs = list(islice(documents(seeded), BLOCK_DOCUMENTS))
    return _batches(docs, batch_tokens=batch_tokens, seed=seeded.seed)


def epoch_batches(
    config: CorpusConfig, epoch: int, *, batch_tokens: int, unique_tokens: int
) -> list[list[Document]]:
    """The batches of one pass over the first ``unique_tokens`` of a corpus: the same documents in every
    epoch, each epoch in an order of its own."""
    docs = corpus(config, tokens=unique_tokens)
    return _batches(docs, batch_tokens=batch_tokens, seed=config.seed + BLOCK_SEED_STRIDE * (epoch + 1))


def _batches(docs: list[Document], *, batch_tokens: int, seed: int) -> list[list[Document]]:
    return [[docs[i] for i in batch] for batch in plan_batches(docs, batch_tokens=batch_tokens, seed=seed)]


def batches_from(
    config: CorpusConfig, block: int, batch: int, *, batch_tokens: int, unique_tokens: int | None = None
) -> Iterator[tuple[tuple[int, int], list[Document]]]:
    """Batches from position (block, batch) on, each with the position that follows it; with
    ``unique_tokens`` a block is an epoch over so many tokens."""
    while True:
        if unique_tokens is None:
            plan = block_batches(config, block, batch_tokens=batch_tokens)
        else:
            plan = epoch_batches(config, block, batch_tokens=batch_tokens, unique_tokens=unique_tokens)
        for index in range(batch, len(plan)):
            after = (block, index + 1) if index + 1 < len(plan) else (block + 1, 0)
            yield after, plan[index]
        block, batch = block + 1, 0
