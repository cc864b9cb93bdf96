"""``keywords:*`` of IFEval: words and letters that must, or must not, occur. Case never matters."""

import re
from collections.abc import Sequence

from rewards.ifeval.text import compare, sentences


def existence(text: str, *, keywords: Sequence[str]) -> bool:
    """Every keyword occurs, if only inside a longer word."""
    lowered = text.lower()
    return all(keyword.lower() in lowered for keyword in keywords)


def frequency(text: str, *, keyword: str, frequency: float, relation: str) -> bool:
    """The keyword occurs so often, inside longer words too."""
    return compare(text.lower().count(keyword.lower()), relation, frequency)


def forbidden_words(text: str, *, forbidden_words: Sequence[str]) -> bool:
    """None occurs as a whole word."""
    return not any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in forbidden_words)


def letter_frequency(text: str, *, letter: str, let_frequency: float, let_relation: str) -> bool:
    """The letter, or any other one character, occurs so often."""
    return compare(text.lower().count(letter.lower()), let_relation, let_frequency)


def key_sentences(text: str, *, key_sentences: Sequence[str], num_sentences: float) -> bool:
    """Exactly so many of the given sentences occur, word for word."""
    return len(set(sentences(text)) & set(key_sentences)) == num_sentences
