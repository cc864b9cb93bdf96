"""``words:*`` of IFBench that look at single words."""

import string
from collections import Counter
from itertools import pairwise

import syllapy
from textblob.taggers import PatternTagger

from rewards.ifeval.text import bare_words

PALINDROMES, PALINDROME_LENGTH = 10, 5
VOWEL_KINDS = 3
_VOWELS = frozenset("aeiou")
_CONSONANTS = frozenset(string.ascii_lowercase) - _VOWELS
_FIRST_WORDS = 200
"""Characters in which the first word of a response is looked for."""


def alphabet(text: str) -> bool:
    """Each word begins with the next letter of the alphabet; A follows Z."""
    initials = [word[0].lower() for word in bare_words(text)]
    if not initials or any(initial not in string.ascii_lowercase for initial in initials):
        return False
    return all((ord(later) - ord(earlier)) % 26 == 1 for earlier, later in pairwise(initials))


def vowel(text: str) -> bool:
    """One paragraph with at most three of the five vowels."""
    stripped = text.strip()
    return "\n" not in stripped and len(_VOWELS.intersection(stripped.lower())) <= VOWEL_KINDS


def consonants(text: str) -> bool:
    """Two neighbouring consonants in each word; y is one."""
    return all(
        any(a in _CONSONANTS and b in _CONSONANTS for a, b in pairwise(word)) for word in text.lower().split()
    )


def palindrome(text: str) -> bool:
    """Ten words of five letters and more that read the same backwards; a word said twice counts twice, as
    published."""
    found = [
        word for word in bare_words(text.lower()) if len(word) >= PALINDROME_LENGTH and word == word[::-1]
    ]
    return len(found) >= PALINDROMES


def prime_lengths(text: str) -> bool:
    """Each word's length is a prime number."""
    return all(_is_prime(len(word)) for word in bare_words(text))


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def repeats(text: str, *, small_n: float) -> bool:
    """No word occurs more than so many times."""
    return max(Counter(bare_words(text.lower())).values(), default=0) <= small_n


def no_consecutive(text: str) -> bool:
    """No two neighbouring words begin with the same letter."""
    return all(a[0] != b[0] for a, b in pairwise(bare_words(text.lower())))


def odd_even_syllables(text: str) -> bool:
    """Odd and even numbers of syllables take turns."""
    return all((syllapy.count(a) - syllapy.count(b)) % 2 for a, b in pairwise(bare_words(text.lower())))


def start_verb(text: str) -> bool:
    """The first word is a verb by TextBlob's lexicon, read in its sentence or, as an imperative, alone in
    lower case."""
    opening = text.lstrip()[:_FIRST_WORDS]
    tagger = PatternTagger()
    readings = tagger.tag(opening)[:1] + tagger.tag(opening.lower().split()[0])[:1] if opening else []
    return any(tag.startswith("VB") for _, tag in readings)
