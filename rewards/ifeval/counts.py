"""``count:*`` of IFBench."""

import re
import string

from rewards.ifeval.function_words import CONJUNCTIONS, PERSON_NAMES, PRONOUNS
from rewards.ifeval.text import tokens, trim, trimmed_words, words

KEYWORD_COUNTS = (1, 2, 3, 5, 7)
_DELETE_PUNCTUATION = str.maketrans("", "", string.punctuation)
_DIGITS = re.compile(r"\d+")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_INTERROBANG = re.compile(r"\?!|!\?|‽")


def word_count_range(text: str, *, min_words: float, max_words: float) -> bool:
    """Between so many words and so many, both included."""
    return min_words <= len(words(text)) <= max_words


def unique_word_count(text: str, *, N: float) -> bool:
    """At least N different words."""
    return len({word.lower() for word in trimmed_words(text) if word}) >= N


def conjunctions(text: str, *, small_n: float) -> bool:
    """At least so many different coordinating conjunctions."""
    return len(CONJUNCTIONS.intersection(word.lower() for word in trimmed_words(text))) >= small_n


def person_names(text: str, *, N: float) -> bool:
    """At least N different names of the prompt's list, as whole words."""
    return len(PERSON_NAMES.intersection(words(text))) >= N


def numbers(text: str, *, N: float) -> bool:
    """Exactly N runs of digits; 1,234 and 3.14 are one each."""
    return len(_DIGITS.findall(text.translate(_DELETE_PUNCTUATION))) == N


def punctuation(text: str) -> bool:
    """An interrobang (?!, !? or ‽), and each of ``. , ! ? ; :`` outside of it."""
    rest, found = _INTERROBANG.subn("", text, count=1)
    return found == 1 and set(".,!?;:") <= set(rest)


def pronouns(text: str, *, N: float) -> bool:
    """At least N pronouns; she/her counts as two."""
    return sum(token in PRONOUNS for token in tokens(text.replace("/", " ").lower())) >= N


def words_japanese(text: str, *, N: float) -> bool:
    """Every N-th word has a kana or kanji in it; numbers are excused."""
    step = int(N)
    chosen = [trim(word) for word in text.split()[step - 1 :: step]]
    return all(_JAPANESE.search(word) for word in chosen if word and not word.isdigit())


def keywords_multiple(
    text: str, *, keyword1: str, keyword2: str, keyword3: str, keyword4: str, keyword5: str
) -> bool:
    """Once, twice, three, five and seven times, inside longer words too."""
    lowered = text.lower()
    keywords = (keyword1, keyword2, keyword3, keyword4, keyword5)
    return all(
        lowered.count(keyword.lower()) == count
        for keyword, count in zip(keywords, KEYWORD_COUNTS, strict=True)
    )
