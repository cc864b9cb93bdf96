"""READ, numbers in words: "twenty-one", "two hundred and five", "three quarters", as exact fractions."""

from collections.abc import Sequence
from fractions import Fraction

from rewards.maths.lexicon import ONES, PARTS, SCALES, TENS


def parse_cardinal(words: Sequence[str]) -> tuple[Fraction | None, list[str]]:
    """(number at the start, the words behind it)."""
    part, rest = parse_fraction(words)
    if part is not None:
        return part, rest
    total, current, index, seen = 0, 0, 0, False
    last = 10**18
    if words[:1] == ["a"] and len(words) > 1 and words[1] in SCALES:
        current, index, seen = 1, 1, True
    while index < len(words):
        word = words[index]
        if word in ONES or word in TENS:
            size = 10 if word in TENS else 1
            if last <= size or (ONES.get(word, 0) >= 10 and last == 10):  # "two two", "twenty twelve"
                break
            current += ONES.get(word, 0) or TENS.get(word, 0)
            last = size
        elif word in SCALES and seen:
            current, total, last = (
                (current * SCALES[word], total, 100)
                if SCALES[word] <= 144
                else (0, total + current * SCALES[word], 10**18)
            )
        elif not (
            word == "and"
            and seen
            and index + 1 < len(words)
            and words[index + 1] in ONES | TENS
            and last >= 100
        ):
            break
        index, seen = index + 1, True
    return (Fraction(total + current), list(words[index:])) if seen else (None, list(words))


def parse_fraction(words: Sequence[str]) -> tuple[Fraction | None, list[str]]:
    """A fraction in words: "half", "a third", "three quarters", "one seventh"."""
    if not words:
        return None, []
    if words[0] == "half":
        return Fraction(1, 2), list(words[1:])
    count = 1 if words[0] in ("a", "an") else ONES.get(words[0])
    if count is None or len(words) < 2:
        return None, list(words)
    name = "half" if words[1] == "halves" else words[1].removesuffix("s")
    if name not in PARTS:
        return None, list(words)
    return Fraction(count, PARTS[name]), list(words[2:])
