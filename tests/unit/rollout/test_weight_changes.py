"""Changed words of a part: exact for any bytes, and left alone where they are not worth it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.weight_changes import WORTH_IT, apply_changes, changes


def part(words: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=2 * words, dtype=np.uint8)


@settings(max_examples=200, deadline=None)
@given(words=st.integers(1, 300), share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_what_changed_makes_the_new_bytes_of_the_old(words: int, share: float, seed: int) -> None:
    old, other = part(words, seed), part(words, seed + 1)
    chosen = np.random.default_rng(seed).random(words) < share
    new = np.where(chosen, other.view(np.uint16), old.view(np.uint16)).view(np.uint8)
    changed = changes(new, old)
    differ = int(np.count_nonzero(new.view(np.uint16) != old.view(np.uint16)))
    size = -(-words // 8) + 2 * differ
    if changed is None:
        assert size > WORTH_IT * new.nbytes
        return
    assert changed.nbytes == size <= WORTH_IT * new.nbytes
    target = np.zeros_like(new)
    apply_changes(target, old, changed)
    assert np.array_equal(target, new)


def test_changes_that_were_cut_short_are_refused() -> None:
    old = part(64, 0)
    new = old.copy()
    new[:8] ^= 1
    changed = changes(new, old)
    assert changed is not None and changed.nbytes == 8 + 8
    with pytest.raises(ValueError, match="6 bytes of values for 4 words"):
        apply_changes(np.zeros_like(new), old, changed[:-2])
