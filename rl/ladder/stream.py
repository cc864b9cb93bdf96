"""Endless pretraining batches that can be entered at any block: long runs hold no corpus and resume without a
replay."""

from collections.abc import Iterator
from itertools import islice

from rl.config.model import CorpusConfig
from rl.pretrain.batches import plan_batches
from rl.pretrain.corpus import Document, documents

BLOCK_DOCUMENTS = 16_384
BLOCK_SEED_STRIDE = 7_919
"""Block b draws its documents from seed + b * stride, so that seeds of neighbouring ladders share no
block."""


def block_batches(config: CorpusConfig, block: int, *, batch_tokens: int) -> list[list[Document]]:
    """The batches of one block, a pure function of its arguments."""
    seeded = config.model_copy(update={"seed": config.seed + BLOCK_SEED_STRIDE * (block + 1)})
    docs = list(islice(documents(seeded), BLOCK_DOCUMENTS))
    return [
        [docs[i] for i in batch] for batch in plan_batches(docs, batch_tokens=batch_tokens, seed=seeded.seed)
    ]


def batches_from(
    config: CorpusConfig, block: int, batch: int, *, batch_tokens: int
) -> Iterator[tuple[tuple[int, int], list[Document]]]:
    """Batches from position (block, batch) on, each with the position that follows it."""
    while True:
        plan = block_batches(config, block, batch_tokens=batch_tokens)
        for index in range(batch, len(plan)):
            after = (block, index + 1) if index + 1 < len(plan) else (block + 1, 0)
            yield after, plan[index]
        block, batch = block + 1, 0
