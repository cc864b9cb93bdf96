"""``sentence:*`` of IFBench, and the word kinds that look at sentences and paragraphs."""

import re
from itertools import pairwise

from rewards.ifeval.text import bare_words, sentences, tokens, trim, trimmed_words


def keyword(text: str, *, word: str, N: float) -> bool:
    """The N-th sentence (from 1) holds the word, whole."""
    found = sentences(text)
    return 1 <= N <= len(found) and bool(
        re.search(rf"\b{re.escape(word)}\b", found[int(N) - 1], re.IGNORECASE)
    )


def increment(text: str, *, small_n: float) -> bool:
    """Each sentence has exactly so many words more than the one before."""
    lengths = [len(bare_words(sentence)) for sentence in sentences(text)]
    return all(later == earlier + small_n for earlier, later in pairwise(lengths))


def alliteration_increment(text: str) -> bool:
    """Each sentence has more alliterative words, neighbours with the same first letter, than the one
    before."""
    return all(
        earlier < later
        for earlier, later in pairwise([_alliterative(sentence) for sentence in sentences(text)])
    )


def _alliterative(sentence: str) -> int:
    letters = [word[0] for word in trimmed_words(sentence.lower()) if word]
    same = [a == b for a, b in pairwise(letters)]
    return sum(before or after for before, after in zip([*same, False], [False, *same], strict=True))


def last_first(text: str) -> bool:
    """Each sentence begins with the word that the one before ended with."""
    edges = [[trim(word) for word in trim(sentence).lower().split()] for sentence in sentences(text)]
    return all(earlier and later and earlier[-1] == later[0] for earlier, later in pairwise(edges))


def paragraph_last_first(text: str) -> bool:
    """Each line ends with the word that it began with."""
    lines = [trim(line.strip()).lower().split() for line in text.split("\n")]
    return all(line[0] == line[-1] for line in lines if line)


def keywords_specific_position(text: str, *, keyword: str, n: float, m: float) -> bool:
    """The m-th word of the n-th sentence is the keyword, both from 1; punctuation marks are no words."""
    found = sentences(text)
    if not 1 <= n <= len(found):
        return False
    said = [token for token in tokens(found[int(n) - 1]) if any(character.isalnum() for character in token)]
    return 1 <= m <= len(said) and said[int(m) - 1].lower() == keyword.lower()


def words_position(text: str, *, keyword: str) -> bool:
    """The second word and the second to last are the keyword; punctuation marks are no words."""
    said = [token.lower() for token in tokens(text) if any(character.isalnum() for character in token)]
    return len(said) >= 2 and said[1] == said[-2] == keyword.lower()
