"""How the checkers cut a text into sentences, tokens and words."""

import gzip
import json
import string
from functools import lru_cache
from pathlib import Path

import regex
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

MODEL = Path(__file__).parent / "data" / "punkt_english.json.gz"
"""Punkt's published English model, with which the published checkers split; see ATTRIBUTION beside it."""
_DELETE_PUNCTUATION = str.maketrans("", "", string.punctuation)
_WORD = regex.compile(r"[\p{L}\p{N}_][\p{L}\p{N}\p{M}_\u200c\u200d]*")


@lru_cache(maxsize=1)
def _splitter() -> PunktSentenceTokenizer:
    model = json.loads(gzip.decompress(MODEL.read_bytes()))
    parameters = PunktParameters()
    parameters.abbrev_types = set(model["abbreviations"])
    parameters.collocations = set(map(tuple, model["collocations"]))
    parameters.sent_starters = set(model["starters"])
    parameters.ortho_context.update(model["orthography"])
    return PunktSentenceTokenizer(parameters)


@lru_cache(maxsize=1)
def _tokenizer() -> NLTKWordTokenizer:
    return NLTKWordTokenizer()


def sentences(text: str) -> list[str]:
    """By Punkt (Kiss and Strunk, 2006) with its English model, without the white space around them."""
    return list(_splitter().tokenize(text.strip()))


def tokens(text: str) -> list[str]:
    """Penn Treebank tokens, sentence by sentence: punctuation marks and clitics stand alone."""
    return [token for sentence in sentences(text) for token in _tokenizer().tokenize(sentence)]


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores, with the vowel signs and joiners of Indic scripts; "don't" is
    two."""
    return list(_WORD.findall(text))


def bare_words(text: str) -> list[str]:
    """Return what stands between white space once ASCII punctuation is deleted; "don't" is "dont"."""
    return text.translate(_DELETE_PUNCTUATION).split()


def trim(text: str) -> str:
    """Without ASCII punctuation and spaces at either end."""
    return text.strip(string.punctuation + " ")


def trimmed_words(text: str) -> list[str]:
    """White-space-separated words, each trimmed; one that was punctuation only is ''."""
    return [trim(word) for word in text.split()]


def compare(count: int, relation: str, bound: float) -> bool:
    """A count against its bound.

    Raises:
        ValueError: ``relation`` is neither ``at least`` nor ``less than``, the two that IFEval knows.
    """
    if relation == "at least":
        return count >= bound
    if relation == "less than":
        return count < bound
    raise ValueError(f"relation: {relation!r} is unknown; use 'at least' or 'less than'")
