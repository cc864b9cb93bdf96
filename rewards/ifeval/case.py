"""``change_case:*``, ``punctuation:*`` and ``language:*`` of IFEval."""

from langdetect import DetectorFactory, LangDetectException, detect

from rewards.components.language import as_written
from rewards.ifeval.function_words import STOP_WORDS
from rewards.ifeval.text import compare, tokens, words

DetectorFactory.seed = 0  # it samples n-grams; with a seed its verdict is a function of the text
LANGUAGE_CHARACTERS = 20_000
"""Only so many characters from the start are looked at."""
ENGLISH_WORDS = 2
"""Function words in a text in capitals that make its reading as English believable: "HELLO, I AM A DOG." has
three."""


def capital_word_frequency(text: str, *, capital_frequency: float, capital_relation: str) -> bool:
    """So many tokens are in capitals, single letters included."""
    return compare(sum(token.isupper() for token in tokens(text)), capital_relation, capital_frequency)


def english_capital(text: str) -> bool:
    """No lower-case letter, and English."""
    return text.isupper() and response_language(text, language="en")


def english_lowercase(text: str) -> bool:
    """No upper-case letter, and English."""
    return text.islower() and response_language(text, language="en")


def no_comma(text: str) -> bool:
    """No ASCII comma."""
    return "," not in text


def response_language(text: str, *, language: str) -> bool:
    """The likeliest language has this ISO 639-1 code (zh-cn, zh-tw for Chinese); a text without letters
    passes, as published.

    Text in capitals is read in small letters. A short one that only its capitals make English must have
    English words in it.
    """
    text = text[:LANGUAGE_CHARACTERS]
    written = as_written(text)
    try:
        found = str(detect(written))
        if (
            found != language == "en"
            and written != text
            and sum(word in STOP_WORDS for word in words(written)) >= ENGLISH_WORDS
        ):
            found = str(detect(text))
    except LangDetectException:
        return True
    return found == language
