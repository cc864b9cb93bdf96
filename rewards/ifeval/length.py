"""``length_constraints:*`` of IFEval: words, sentences and paragraphs counted."""

import re

from rewards.ifeval.text import compare, sentences, words

_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_LEADING_LETTERS = re.compile(r"[^.,?!'\"]*")


def number_words(text: str, *, num_words: float, relation: str) -> bool:
    """Runs of word characters."""
    return compare(len(words(text)), relation, num_words)


def number_sentences(text: str, *, num_sentences: float, relation: str) -> bool:
    """Sentences by Punkt."""
    return compare(len(sentences(text)), relation, num_sentences)


def number_paragraphs(text: str, *, num_paragraphs: float) -> bool:
    """Exactly so many paragraphs between ``***`` dividers; a divider may open or close the text, but none
    follows another."""
    paragraphs = [part.strip() for part in _DIVIDER.split(text)]
    inner = paragraphs[1:-1]
    return all(inner) and sum(map(bool, paragraphs)) == num_paragraphs


def nth_paragraph_first_word(
    text: str, *, num_paragraphs: float, nth_paragraph: float, first_word: str
) -> bool:
    """Exactly so many paragraphs between blank lines, and the n-th (from 1) begins with the word, quotes and
    punctuation aside."""
    paragraphs = [part.strip() for part in text.split("\n\n")]
    filled = sum(map(bool, paragraphs))
    if filled != num_paragraphs or nth_paragraph > filled:
        return False
    chosen = paragraphs[int(nth_paragraph) - 1]
    if not chosen:
        return False
    opening = _LEADING_LETTERS.match(chosen.split()[0].lstrip("'").lstrip('"'))
    return opening is not None and opening[0].lower() == first_word.lower()
