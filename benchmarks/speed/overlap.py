"""The cost of looking for held-out prompts in train before a run, and for repeats in train.

    python -m benchmarks.speed.overlap [--quick] [--json FILE]

Claims, written before the run: 100,000 train prompts of about 75 words against 1,000 held-out ones take at
most 20 CPU seconds on one core; from 10,000 to 100,000 the seconds grow by 7 to 14 times.

Texts are random words of a vocabulary of 20,000, half of them frequent, under one template; ten held-out
prompts are planted in train word for word, ten with other numbers, ten with a new end. All must be found, and
nothing else.
"""

import random
import time
from typing import Any

from benchmarks.lib.common import machine, parser, save, show, spread
from rl.tasks.overlap import TrainIndex

SIZES = (10_000, 100_000)
HELD_OUT = 1_000
PLANTED = 10
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def texts(count: int, rng: random.Random) -> list[str]:
    """Prompts of about 75 words."""
    words = ["".join(rng.choices(LETTERS, k=rng.randrange(2, 9))) for _ in range(20_000)]
    frequent = words[:200]
    return [
        "Question: "
        + " ".join(rng.choice(frequent if rng.random() < 0.5 else words) for _ in range(60))
        + f" {rng.randrange(1000)} apples?\nThink step by step, then give the final number after the hashes."
        for _ in range(count)
    ]


def measure(size: int, seed: int) -> dict[str, float]:
    """CPU seconds of one size, and how many of the planted prompts were found."""
    rng = random.Random(seed)
    made = texts(size + HELD_OUT, rng)
    train, held_out = made[:size], made[size:]
    for i in range(PLANTED):
        held_out[i] = train[i].upper()
        held_out[PLANTED + i] = train[PLANTED + i].replace(" apples", "7 apples")
        held_out[2 * PLANTED + i] = " ".join(
            [*train[2 * PLANTED + i].split()[:45], *held_out[2 * PLANTED + i].split()[45:]]
        )
    began = time.process_time()
    index = TrainIndex(train)
    indexed = time.process_time()
    found = index.overlap(held_out)
    looked = time.process_time()
    index.repeats()
    return {
        "index_s": indexed - began,
        "overlap_s": looked - indexed,
        "repeats_s": time.process_time() - looked,
        "all_s": time.process_time() - began,
        "exact": float(len(found.exact)),
        "near": float(len(found.near)),
    }


def main() -> None:
    """Measure, show, save."""
    arguments = parser(__doc__ or "").parse_args()
    repeats = 1 if arguments.quick else 3
    here = machine()
    rows = {size: [measure(size, seed) for seed in range(repeats)] for size in SIZES}
    result: dict[str, Any] = {
        "machine": here,
        "command": "python -m benchmarks.speed.overlap",
        "sizes": {
            str(size): {name: spread([row[name] for row in found]) for name in found[0]}
            for size, found in rows.items()
        },
        "growth": spread([b["all_s"] / a["all_s"] for a, b in zip(*rows.values(), strict=True)]),
    }
    for size, figures in result["sizes"].items():
        show(f"{size} train prompts, CPU seconds and prompts found", figures)
    show("growth from 10,000 to 100,000", {"all_s": result["growth"]})
    save("overlap", result, args=arguments)


if __name__ == "__main__":
    main()
