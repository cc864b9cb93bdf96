"""``ratio:*`` of IFBench."""

from rewards.ifeval.function_words import STOP_WORDS
from rewards.ifeval.text import sentences, words

OVERLAP_TOLERANCE = 2.0
"""Percentage points."""


def stop_words(text: str, *, percentage: float) -> bool:
    """At most so many per cent of the words are stop words."""
    found = words(text.lower())
    return bool(found) and 100 * sum(word in STOP_WORDS for word in found) <= percentage * len(found)


def overlap(text: str, *, reference_text: str, percentage: float) -> bool:
    """So many per cent of the different character trigrams, give or take two points, are also in the
    reference."""
    ours, theirs = _trigrams(text), _trigrams(reference_text)
    return bool(ours) and abs(100 * len(ours & theirs) / len(ours) - percentage) <= OVERLAP_TOLERANCE


def _trigrams(text: str) -> set[str]:
    return {text[i : i + 3] for i in range(len(text) - 2)}


def sentence_type(text: str) -> bool:
    """Twice as many sentences end with a full stop as with a question mark."""
    statements, questions, _ = _endings(text)
    return statements == 2 * questions


def sentence_balance(text: str) -> bool:
    """As many sentences end with a full stop as with a question mark as with an exclamation mark."""
    statements, questions, exclamations = _endings(text)
    return statements == questions == exclamations


def _endings(text: str) -> tuple[int, int, int]:
    ends = [sentence[-1:] for sentence in sentences(text)]
    return ends.count("."), ends.count("?"), ends.count("!")


def sentence_words(text: str) -> bool:
    """Three sentences of equally many characters, and no word twice."""
    found = sentences(text)
    said = words(text.lower())
    return len(found) == 3 and len({len(sentence) for sentence in found}) == 1 and len(set(said)) == len(said)
