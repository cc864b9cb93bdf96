"""Which natural language a completion is written in, by langdetect (profiles ship with the package)."""

import re
from functools import cache
from pathlib import Path

from langdetect import DetectorFactory, detect
from langdetect.detector_factory import PROFILES_DIRECTORY
from langdetect.lang_detect_exception import LangDetectException

from rewards.verdicts import graded, wrong
from rollout.types import Prompt, RewardResult

CHUNK = 400
"""Characters, about, that are judged at once: enough for a sure verdict."""
MAX_CHUNKS = 40
"""Chunks of one text that are looked at, evenly spread."""

_NO_LANGUAGE = re.compile(
    r"```.*?(?:```|\Z)|\$\$[^$]*\$\$|\$[^$\n]*\$|\\\[(?:(?!\\\[).)*?\\\]|\\\((?:(?!\\\().)*?\\\)"
    r"|\\[A-Za-z]+|</?[A-Za-z]+>|"
    r"https?://\S+|`[^`\n]*`",
    re.DOTALL,
)


class LanguageReward:
    """Share of the text that is in the wanted language, after DeepSeek-R1's language consistency reward
    (arXiv 2501.12948, section 2.3.2); correct from ``threshold`` on.

    Code, formulas, tags and links are no language and left out. The rest is judged in chunks of some hundred
    characters.

    Args:
        language: ISO 639-1 code as langdetect has them: ``en``, ``de``, ``zh`` (or ``zh-cn``), ...
        threshold: Share from which the text is correct.
        min_letters: Texts with fewer letters have no language that could be told; they score 0.

    Raises:
        ValueError: langdetect has no such language.
    """

    def __init__(self, *, language: str = "en", threshold: float = 0.9, min_letters: int = 20) -> None:
        known = known_languages()
        if language not in {code for name in known for code in (name, name.partition("-")[0])}:
            raise ValueError(f"language: {language!r} is unknown to langdetect; use one of {sorted(known)}")
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold: {threshold} must be in (0, 1]")
        self._language, self._threshold, self._min_letters = language, threshold, min_letters

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        if not text.strip():
            return wrong("empty")
        for tag in prompt.thinking_tags:
            text = text.replace(tag, " ")
        plain = _NO_LANGUAGE.sub(" ", text)
        if sum(map(str.isalpha, plain)) < self._min_letters:
            return wrong("too short to tell the language")
        found = [language_of(chunk) for chunk in chunks(plain)]
        told = [code for code in found if code]
        share = sum(self._is_wanted(code) for code in told) / len(told) if told else 0.0
        return graded(share, "language", full=self._threshold)

    def _is_wanted(self, code: str) -> bool:
        return self._language in (code, code.partition("-")[0])


@cache
def known_languages() -> tuple[str, ...]:
    """Codes of langdetect's profiles."""
    return tuple(
        sorted(
            path.name
            for path in Path(PROFILES_DIRECTORY).iterdir()
            if path.name.islower() and "." not in path.name
        )
    )


def language_of(text: str) -> str:
    """Code of the likeliest language, '' if there is nothing to tell it by."""
    DetectorFactory.seed = 0  # it draws random numbers, and would answer twice differently
    try:
        return str(detect(as_written(text)))
    except LangDetectException:
        return ""


def as_written(text: str) -> str:
    """In small letters if it is mostly in capitals: the profiles are of ordinary text, to which such English
    looks Vietnamese."""
    capitals, small = sum(map(str.isupper, text)), sum(map(str.islower, text))
    return text.lower() if capitals > small else text


def chunks(text: str) -> list[str]:
    """Pieces of some ``CHUNK`` characters, cut between words; at most ``MAX_CHUNKS`` of them, evenly spread
    from first to last."""
    pieces, piece, size = [], [], 0
    for word in text.split():
        # A "word" without end is cut, so that no piece is longer than two chunks.
        piece.append(word[:CHUNK])
        size += min(len(word), CHUNK) + 1
        if size >= CHUNK:
            pieces.append(" ".join(piece))
            piece, size = [], 0
    if piece and (size >= CHUNK / 4 or not pieces):
        pieces.append(" ".join(piece))
    if len(pieces) <= MAX_CHUNKS:
        return pieces
    return [pieces[round(i * (len(pieces) - 1) / (MAX_CHUNKS - 1))] for i in range(MAX_CHUNKS)]


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    text = (
        "If we add two to two, which most people have done before, then the sum that we are looking for is"
        " four."
    )
    return Prompt(id="example", text="2 + 2 =", token_ids=(), answer="4"), text
