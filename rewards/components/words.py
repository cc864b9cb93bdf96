"""Texts as words: for comparing answers, and for counting repetitions."""

import re
import string

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


def normalise(text: str) -> str:
    """Lower case, without punctuation, English articles and extra spaces (the rule of SQuAD, Rajpurkar et al. 2016,
    arXiv 1606.05250).

    Example: ``"The answer is 42!"`` gives ``"answer is 42"``.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def words(text: str) -> list[str]:
    """Lower-case words; Chinese and Japanese, which are written without spaces, character by character."""
    return _TOKEN.findall(text.lower())
