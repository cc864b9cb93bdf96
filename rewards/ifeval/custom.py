"""``custom:*`` of IFBench: single prompts with a checker of their own."""

import re
import string
import unicodedata
from datetime import date
from itertools import pairwise

from rewards.ifeval.text import bare_words, sentences, trim

MULTIPLES = ["14", "21", "28", "35", "42", "49"]
LATITUDES = {
    "Reykjavik": 64.15,
    "Helsinki": 60.17,
    "Oslo": 59.91,
    "Tallinn": 59.44,
    "Stockholm": 59.33,
    "Riga": 56.95,
    "Moscow": 55.76,
    "Copenhagen": 55.68,
    "Vilnius": 54.69,
    "Minsk": 53.90,
    "Dublin": 53.35,
    "Berlin": 52.52,
    "Amsterdam": 52.37,
    "Warsaw": 52.23,
    "London": 51.51,
    "Brussels": 50.85,
    "Kyiv": 50.45,
    "Prague": 50.08,
    "Luxembourg": 49.61,
    "Paris": 48.86,
    "Vienna": 48.21,
    "Bratislava": 48.15,
    "Budapest": 47.50,
    "Vaduz": 47.14,
    "Chisinau": 47.01,
    "Bern": 46.95,
    "Ljubljana": 46.06,
    "Zagreb": 45.81,
}
"""European capitals north of 45 degrees; degrees north."""
LEFT_OUT = {"Kyiv"}
"""Missing in the published list, so a response may leave it out."""
AFRICAN_COUNTRIES = 52
"""Lines that a list of the countries of Africa has at least; 53 to 55 states are counted."""
QUESTIONS, CHOICES = 4, 5
NAPOLEON = (1769, 1821)
_QUESTION = re.compile(r"^Question\b[^\n\w]*\d*[.):;]?", re.MULTILINE)
_CHOICE = re.compile(r"\s*[A-Ea-e][.)]\s*\w")


def multiples(text: str) -> bool:
    """The multiples of 7 from 10 to 50, in order, and no other number."""
    return re.findall(r"\d+", text) == MULTIPLES


def mcq_count_length(text: str) -> bool:
    """Four questions of growing length with five choices each, and nothing before the first."""
    if not text.startswith("Question"):
        return False
    blocks = [block.strip().split("\n") for block in _QUESTION.split(text) if block.strip()]
    asked = [" ".join(line.strip() for line in block[: _first_choice(block)]) for block in blocks]
    complete = all(sum(bool(_CHOICE.match(line)) for line in block) == CHOICES for block in blocks)
    return len(blocks) == QUESTIONS and complete and all(len(a) < len(b) for a, b in pairwise(asked))


def _first_choice(lines: list[str]) -> int:
    return next((index for index, line in enumerate(lines) if _CHOICE.match(line)), len(lines))


def reverse_newline(text: str) -> bool:
    """The countries of Africa a line each, in reverse alphabetical order from Zimbabwe on; accents aside."""
    lines = [_ascii(trim(line)) for line in text.split("\n") if trim(line)]
    start = next((index for index, line in enumerate(lines) if "Zimbabwe" in line), len(lines))
    listed = lines[start:]
    return len(listed) >= AFRICAN_COUNTRIES and listed == sorted(listed, reverse=True)


def word_reverse(text: str) -> bool:
    """The national animal of the US, the bald eagle, in one sentence whose words are in reverse order."""
    return "eagle bald" in " ".join(bare_words(text.lower())) and len(sentences(text)) == 1


def character_reverse(text: str) -> bool:
    """The bald eagle, letter by letter backwards."""
    return "elgae dlab" in text.lower()


def sentence_alphabet(text: str) -> bool:
    """26 sentences, the first beginning with A, the last with Z."""
    return "".join(sentence[0].lower() for sentence in sentences(text)) == string.ascii_lowercase


def european_capitals_sort(text: str) -> bool:
    """All of them, separated by commas, from north to south."""
    listed = [part.strip() for part in _ascii(text).split(",") if part.strip()]
    latitudes = [LATITUDES.get(name) for name in listed]
    in_order = all(a is not None and b is not None and a > b for a, b in pairwise(latitudes))
    return in_order and LATITUDES.keys() - set(listed) <= LEFT_OUT


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def date_format_list(text: str) -> bool:
    """Dates YYYY-MM-DD within Napoleon's life, separated by commas."""
    return all(_is_date(part.strip()) for part in text.split(","))


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return False
    try:
        return NAPOLEON[0] <= date.fromisoformat(text).year <= NAPOLEON[1]
    except ValueError:
        return False
