"""Worked solutions in the compact notation: how a problem is solved step by step, and how it goes wrong.

Every writer takes an item's metadata and a mistake generator, and returns (steps, answer). Mistakes are
carried on, so a document with a wrong step usually ends in the wrong answer, as in real text.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rl.tasks.rg_cells import Item, signed_terms

Solution = tuple[list[str], str]
SLIPS = (-10, -2, -1, 1, 2, 10)


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Decides where a step goes wrong."""

    rng: random.Random
    rate: float

    def happens(self) -> bool:
        """True with probability ``rate``; a rate of 0 draws nothing."""
        return self.rate > 0 and self.rng.random() < self.rate

    def shuffle_some(self, values: list[Any]) -> None:
        """Swap neighbours and drop an element, in place, each with probability ``rate``."""
        i = 0
        while i < len(values) - 1:
            if self.happens():
                values[i], values[i + 1] = values[i + 1], values[i]
                i += 1
            i += 1
        if len(values) > 1 and self.happens():
            values.pop(self.rng.randrange(len(values)))


def chain_sum(item: Item, mistakes: Mistakes) -> Solution:
    """``3-7=-4,-4+8=4``."""
    first, *rest = signed_terms(item["expression"])
    total, steps = int(first), []
    for term in rest:
        before, total = total, total + int(term)
        if mistakes.happens():
            total += mistakes.rng.choice(SLIPS)
        steps.append(f"{before}{term}={total}")
    return steps, str(total)


def count_bits(item: Item, mistakes: Mistakes) -> Solution:
    """``18:0,9:1,4:1,2:1,1:2``: halve, keeping count of the odd ones."""
    number, count, steps = int(item["number"]), 0, []
    while number:
        bit = number & 1
        if mistakes.happens():
            bit = 1 - bit
        count += bit
        steps.append(f"{number}:{count}")
        number >>= 1
        if number > 1 and mistakes.happens():
            number = max(1, number + mistakes.rng.choice((-1, 1)))
    return steps, str(count)


def gcd(item: Item, mistakes: Mistakes) -> Solution:
    """``36%24:12,24%12:0``: Euclid."""
    larger, smaller = sorted(item["numbers"], reverse=True)
    steps = []
    while smaller:
        remainder = larger % smaller
        if mistakes.happens():
            remainder = mistakes.rng.randrange(smaller)
        steps.append(f"{larger}%{smaller}:{remainder}")
        larger, smaller = smaller, remainder
    return steps, str(larger)


def number_sorting(item: Item, mistakes: Mistakes) -> Solution:
    """No steps: the sorted list."""
    values = [int(float(v)) for v in item["sorted_numbers"]]
    mistakes.shuffle_some(values)
    return [], ",".join(map(str, values))


def spell_backward(item: Item, mistakes: Mistakes) -> Solution:
    """No steps: the reversed word."""
    letters = list(item["word"].lower()[::-1])
    mistakes.shuffle_some(letters)
    return [], "".join(letters)


WRITERS: dict[str, Callable[[Item, Mistakes], Solution]] = {
    "chain_sum": chain_sum,
    "count_bits": count_bits,
    "gcd": gcd,
    "number_sorting": number_sorting,
    "spell_backward": spell_backward,
}
