"""The words that changed between two publications of the same weights, exact to the bit.

At the learning rates of post-training most weights keep their bfloat16 value over a step. A part of a push
(``rollout.weight_buffer.PART_BYTES``) is then sent as one bit for each word of two bytes, set where it
differs, followed by the words that do.
"""

import numpy as np

WORD = np.dtype(np.uint16)
WORTH_IT = 0.75
"""Largest share of a part's bytes that its changes may take; else the part travels whole."""


def changes(part: np.ndarray, before: np.ndarray) -> np.ndarray | None:
    """[bytes] that make ``part`` of ``before``, both [bytes] of one even length; None where they are not
    worth it."""
    new, old = part.view(WORD), before.view(WORD)
    differ = new != old
    mask = np.packbits(differ)
    if mask.nbytes + int(np.count_nonzero(differ)) * WORD.itemsize > WORTH_IT * part.nbytes:
        return None
    return np.concatenate([mask, new[differ].view(np.uint8)])


def apply_changes(target: np.ndarray, before: np.ndarray, changed: np.ndarray) -> None:
    """Write ``before`` with its changes to ``target``. ValueError if they are not those of such a part."""
    np.copyto(target, before)
    words = target.view(WORD)
    mask_bytes = -(-words.size // 8)
    differ = np.unpackbits(changed[:mask_bytes], count=words.size).view(bool)
    values = changed[mask_bytes:]
    if values.size != int(np.count_nonzero(differ)) * WORD.itemsize:
        raise ValueError(
            f"changes: {values.size} bytes of values for {int(np.count_nonzero(differ))} words that differ"
        )
    words[differ] = np.frombuffer(values.tobytes(), dtype=WORD)
