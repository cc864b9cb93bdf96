"""One uniform number for each prompt, the same however the prompts are asked about."""

import zlib

import numpy as np

from curricula.base import Ctx

GOLDEN, MIX_1, MIX_2 = (np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def coin(ctx: Ctx, name: str, indices: np.ndarray) -> np.ndarray:
    """[K] uniform in [0, 1), fixed by (seed, step, round, name, prompt index).

    A generator would give a prompt's number by its place in the question, and a stack asks in chunks; a hash
    (splitmix64, Steele et al. 2014) gives it by the prompt, in O(K).
    """
    key = np.random.SeedSequence([ctx.seed, ctx.step, ctx.round, zlib.crc32(name.encode())]).generate_state(
        1, dtype=np.uint64
    )[0]
    z = key + (indices.astype(np.uint64) + np.uint64(1)) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * MIX_1
    z = (z ^ (z >> np.uint64(27))) * MIX_2
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
