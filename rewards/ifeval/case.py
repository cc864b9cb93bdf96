"""``change_case:*``, ``punctuation:*`` and ``language:*`` of IFEval."""

from langdetect import DetectorFactory, LangDetectException, detect

from rewards.ifeval.text import compare, tokens

DetectorFactory.seed = 0  # it samples n-grams; with a seed its verdict is a function of the text
LANGUAGE_CHARACTERS = 20_000
"""Only so many characters from the start are looked at."""


def capital_word_frequency(text: str, *, capital_frequency: float, capital_relation: str) -> bool:
    """So many tokens are in capitals, single letters included."""
    return compare(sum(token.isupper() for token in tokens(text)), capital_relation, capital_frequency)


def english_capital(text: str) -> bool:
    """No lower-case letter, and English."""
    # langdetect's profiles are of ordinary text; English in capitals looks Vietnamese to it.
    return text.isupper() and response_language(text.lower(), language="en")


def english_lowercase(text: str) -> bool:
    """No upper-case letter, and English."""
    return text.islower() and response_language(text, language="en")


def no_comma(text: str) -> bool:
    """No ASCII comma."""
    return "," not in text


def response_language(text: str, *, language: str) -> bool:
    """The likeliest language has this ISO 639-1 code (zh-cn, zh-tw for Chinese); a text without letters passes, as published."""
    try:
        return bool(detect(text[:LANGUAGE_CHARACTERS]) == language)
    except LangDetectException:
        return True
