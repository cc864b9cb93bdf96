"""Length-sorted, right-padded pretraining batches, fixed by (documents, seed)."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from rl.pretrain.corpus import Document
from rl.pretrain.tokenizer import PAD_ID

WINDOW = 4096
"""Documents sorted together: enough for little padding, few enough that batches stay mixed."""


def plan_batches(docs: Sequence[Document], *, batch_tokens: int, seed: int) -> list[list[int]]:
    """Indices of the documents of each batch; padded size <= ``batch_tokens`` unless one document alone is
    longer."""
    rng = random.Random(seed)
    order = list(range(len(docs)))
    rng.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), WINDOW):
        window: list[list[int]] = [[]]
        for index in sorted(order[start : start + WINDOW], key=lambda i: docs[i].num_tokens):
            # Sorted ascending, so this document is the longest of its batch.
            if window[-1] and docs[index].num_tokens * (len(window[-1]) + 1) > batch_tokens:
                window.append([])
            window[-1].append(index)
        rng.shuffle(window)
        batches += window
    return batches


def collate(docs: Sequence[Document]) -> tuple[Tensor, Tensor]:
    """([B, T] token ids, [B, T] targets): a target is the next token where that belongs to a solution, else
    -100."""
    rows = [(d.prompt_ids, d.solution_ids) for d in docs]
    width = max(len(p) + len(s) for p, s in rows)
    ids = torch.tensor([p + s + [PAD_ID] * (width - len(p) - len(s)) for p, s in rows])
    targets = torch.tensor(
        [[-100] * (len(p) - 1) + s + [-100] * (width - len(p) - len(s) + 1) for p, s in rows]
    )
    return ids, targets
