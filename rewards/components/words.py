"""Texts as words: for comparing answers, and for counting repetitions."""

import re
import string

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MINUS = re.compile(r"[−‐‑–](?=\.?\d)")  # what is written for a minus sign
_MEANT = re.compile(
    r"(?<![\w.)])-(?=[$€£]?\.?\d)"  # a sign
    r"|(?<=\d)[./:^-](?=\d)|(?<![\w.])\.(?=\d)"  # inside a number, fraction, time, date or power
    r"|(?<=[a-z])(?:\+\+|#)(?!\w)"  # C++, C#
)
_OTHERS = re.compile(f"[{re.escape(string.punctuation)}]")
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


def normalise(text: str) -> str:
    """Lower case, without punctuation, English articles and extra spaces (the rule of SQuAD, Rajpurkar et al.
    2016, arXiv 1606.05250), but for two things that change what an answer says: signs and points of numbers
    stay (``-5`` is not ``5``, ``3.14`` not ``314``), and so does an article that is all there is.

    Example: ``"The answer is 42!"`` gives ``"answer is 42"``.
    """
    said, parts, end = _MINUS.sub("-", text.lower()), [], 0
    for meant in _MEANT.finditer(said):
        parts += [_OTHERS.sub("", said[end : meant.start()]), meant[0]]
        end = meant.end()
    plain = "".join(parts) + _OTHERS.sub("", said[end:])
    return " ".join(_ARTICLES.sub(" ", plain).split()) or " ".join(plain.split())


def words(text: str) -> list[str]:
    """Lower-case words; Chinese and Japanese, which are written without spaces, character by character."""
    return _TOKEN.findall(text.lower())
