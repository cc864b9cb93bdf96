"""Prompts that are in two places: held-out ones in train, and train's own twice.

- **Exact**: the same text after NFKC, case folding and collapsing of white space.
- **Near**: the same text but for its numbers; or half of the words of a prompt stand in 8-grams (numbers
  alike) that one train prompt has too. That is the rule of Tülu 3 (arXiv 2411.15124); GPT-3 (2005.14165,
  appendix C) took single 13-grams, of which the instructions around prompts are full.

Where a script puts no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), each character
counts as a word, and white space beside it says nothing. Half of them count where a text needs some words to
say anything at all.

N-grams, and texts without their numbers, that more than a thousandth of the train prompts share (ten at
least) are a template's or a generator's, and say nothing.
"""

import re
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

N = 8
"""Words of an n-gram."""
SHARE = 0.5
"""Share of a prompt's words in common n-grams from which it is near another one."""
MIN_WORDS = 4
"""Words that are no numbers, below which a text without its numbers says nothing: ``3 + 4 =``."""
COMMON = 10
"""Train prompts that may share a pattern before it counts as a template's; a thousandth of them, if more."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Scripts without spaces between words, as a character class: Thai, Lao, Burmese, Khmer, kana, Han."""
_MARKS = "\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u0900-\u0963\u0966-\u0dff"
"""Signs inside of words that are no letters of their own: accents, vowels of Hebrew, Arabic and of India."""
_ASCII_WORD = re.compile(r"\w+")
_WORD = re.compile(rf"(?=\w)[{_ALONE}]|(?:[^\W{_ALONE}]|[{_MARKS}])+")
_CHARACTER = re.compile(rf"(?=\w)[{_ALONE}]")
_SPACE_BESIDE = re.compile(rf" (?=[{_ALONE}])|(?<=[{_ALONE}]) ")
_EDGE = re.compile(rf"\W|[{_ALONE}]")
"""Where a word ends: a template is cut there."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two prompts that are the same, or nearly."""

    index: int
    """Place of the held-out prompt, or of the later one in train."""
    train: int
    """Place of the train prompt."""
    share: float
    """Share of the words in common n-grams; 1 where the texts are equal, numbers aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """The overlap of one list of prompts with train."""

    exact: list[Pair] = field(default_factory=list)
    near: list[Pair] = field(default_factory=list)
    """Without the exact ones; most alike first."""


class TrainIndex:
    """The patterns of the train prompts, made once: 100,000 prompts of 60 words take seconds
    (``benchmarks/speed/overlap.py``).

    Args:
        texts: Of the train prompts, as the policy sees them.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._frame = frame_of(texts)
        plain = [normalised(text) for text in texts]
        numberless = self._cores(texts)
        self._limit = max(COMMON, len(texts) // 1000)
        self._exact = _first_places(plain)
        self._numberless = _first_places(numberless)
        times = Counter(numberless)
        self._telling = {text for text in times if times[text] <= self._limit and _has_words(text)}
        """Texts without numbers that are no template's."""
        self._vocabulary: defaultdict[str, int] = defaultdict(count(1).__next__)
        self._plain, self._texts = plain, numberless
        grams = self._grams(numberless)
        order = np.argsort(grams.hashes, kind="stable")
        self._hashes, self._docs = grams.hashes[order], grams.docs[order]
        self._sizes = np.bincount(grams.docs, minlength=len(texts))

    def overlap(self, texts: Sequence[str]) -> Overlap:
        """The held-out prompts that train has, or nearly has; near ones also inside of a template of their
        own."""
        found = self._overlap(texts)
        frame = frame_of(texts)
        if frame == self._frame or frame == ("", ""):
            return found
        known = {pair.index for pair in (*found.exact, *found.near)}
        bare = self._overlap([inside(frame, text) for text in texts])
        more = [pair for pair in (*bare.exact, *bare.near) if pair.index not in known]
        near = sorted([*found.near, *more], key=lambda pair: (-pair.share, pair.index))
        return Overlap(exact=found.exact, near=near)

    def _overlap(self, texts: Sequence[str]) -> Overlap:
        plain = [normalised(text) for text in texts]
        exact = [Pair(i, self._exact[text], 1.0) for i, text in enumerate(plain) if text in self._exact]
        numberless = self._cores(texts)
        known = {pair.index for pair in exact}
        near = {
            i: Pair(i, self._numberless[text], 1.0)
            for i, text in enumerate(numberless)
            if i not in known and text in self._telling
        }
        for pair in self._shared_grams(self._grams(numberless), len(texts)):
            if pair.index not in known and pair.index not in near:
                near[pair.index] = pair
        return Overlap(exact=exact, near=sorted(near.values(), key=lambda pair: (-pair.share, pair.index)))

    def core(self, text: str) -> str:
        """The text without the template around all train prompts."""
        return inside(self._frame, text)

    def _cores(self, texts: Sequence[str]) -> list[str]:
        return [without_numbers(normalised(self.core(text))) for text in texts]

    def repeats(self) -> Overlap:
        """Train prompts that an earlier one of train is, or nearly is."""
        exact = [
            Pair(i, self._exact[text], 1.0) for i, text in enumerate(self._plain) if self._exact[text] != i
        ]
        known = {pair.index for pair in exact}
        near = {
            i: Pair(i, self._numberless[text], 1.0)
            for i, text in enumerate(self._texts)
            if i not in known and self._numberless[text] != i and text in self._telling
        }
        counts = self._counts()
        same = np.flatnonzero(
            (self._hashes[1:] == self._hashes[:-1])
            & (self._docs[1:] != self._docs[:-1])
            & (counts[1:] <= self._limit)
        )
        # Docs ascend inside of a hash (a stable sort): neighbours are an earlier and a later prompt.
        keys, shared = np.unique(
            self._docs[same].astype(np.int64) * len(self._plain) + self._docs[same + 1], return_counts=True
        )
        earlier, later = np.divmod(keys, max(1, len(self._plain)))
        shares = shared / np.maximum(1, self._sizes[later])
        for a, b, share in zip(earlier, later, shares, strict=True):
            if share >= SHARE and int(b) not in known and int(b) not in near:
                near[int(b)] = Pair(int(b), int(a), float(share))
        return Overlap(exact=exact, near=sorted(near.values(), key=lambda pair: (-pair.share, pair.index)))

    def _counts(self) -> np.ndarray:
        """[G] how many train prompts have each n-gram of the sorted list."""
        if not len(self._hashes):
            return np.zeros(0, dtype=np.int64)
        starts = np.flatnonzero(np.concatenate([[True], self._hashes[1:] != self._hashes[:-1]]))
        lengths = np.diff(np.concatenate([starts, [len(self._hashes)]]))
        return np.repeat(lengths, lengths)

    def _shared_grams(self, grams: "Grams", size: int) -> list[Pair]:
        """The best train prompt of each prompt that shares enough words with one."""
        left = np.searchsorted(self._hashes, grams.hashes, side="left")
        counts = np.searchsorted(self._hashes, grams.hashes, side="right") - left
        counts[counts > self._limit] = 0
        which = np.repeat(np.arange(len(grams.hashes)), counts)
        steps = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        docs = self._docs[left[which] + steps]
        pairs = grams.docs[which].astype(np.int64) * max(1, len(self._plain)) + docs
        keys, shared = np.unique(pairs, return_counts=True)
        best: dict[int, Pair] = {}
        for key, number in zip(keys.tolist(), shared.tolist(), strict=True):
            index, doc = divmod(key, len(self._plain))
            if number * N < SHARE * grams.words[index]:
                continue
            mine = (grams.docs[which] == index) & (docs == doc)
            covered = np.unique(grams.places[which[mine]][:, None] + np.arange(N)).size
            share = covered / float(grams.words[index])
            if share >= SHARE and (index not in best or share > best[index].share):
                best[index] = Pair(index, doc, share)
        return list(best.values())

    def _grams(self, texts: Sequence[str]) -> "Grams":
        number = self._vocabulary.__getitem__
        flat = array("Q")
        lengths = []
        for text in texts:
            before = len(flat)
            flat.extend(map(number, words_of(text)))
            lengths.append(len(flat) - before)
        return Grams.of(np.frombuffer(flat, dtype=np.uint64) if flat else np.zeros(0, np.uint64), lengths)


@dataclass(frozen=True, slots=True)
class Grams:
    """All n-grams of a list of texts."""

    hashes: np.ndarray
    """[G] uint64."""
    docs: np.ndarray
    """[G] int32, the text of each; ascending."""
    places: np.ndarray
    """[G] int64, place of the first word, over all texts."""
    words: np.ndarray
    """[T] words of each text."""

    @classmethod
    def of(cls, flat: np.ndarray, words: Sequence[int]) -> "Grams":
        """N-grams of texts that stand one behind the other as word numbers, none across two texts."""
        lengths = np.array(words, dtype=np.int64)
        docs = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        if len(flat) < N:
            nothing = np.zeros(0, dtype=np.int64)
            return cls(nothing.astype(np.uint64), nothing.astype(np.int32), nothing, lengths)
        size = len(flat) - N + 1
        hashes = np.zeros(size, dtype=np.uint64)
        for k in range(N):  # wraps around on purpose
            hashes = hashes * _FACTOR + flat[k : k + size]
        hashes ^= hashes >> np.uint64(29)
        inside = np.flatnonzero(docs[:size] == docs[N - 1 :])
        return cls(hashes[inside], docs[inside], inside, lengths)


def frame_of(texts: Sequence[str]) -> tuple[str, str]:
    """The text that all begin and end with, in whole words: the template around them. Nothing of fewer than
    three different ones."""
    different = set(texts)
    if len(different) < 3:
        return "", ""
    low, high = min(different), max(different)
    before = _common(low, high)
    reversed_ = [text[::-1] for text in different]
    behind = _common(min(reversed_), max(reversed_))[::-1]
    before = before[: max((m.end() for m in _EDGE.finditer(before)), default=0)]
    first = next((m.start() for m in _EDGE.finditer(behind)), len(behind))
    return before, behind[first:]


def inside(frame: tuple[str, str], text: str) -> str:
    """The text without a template around it; a text that does not have the template stays."""
    before, behind = frame
    if text.startswith(before) and text.endswith(behind) and len(text) > len(before) + len(behind):
        return text[len(before) : len(text) - len(behind)]
    return text


def _common(one: str, other: str) -> str:
    pairs = enumerate(zip(one, other, strict=False))
    return one[: next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))]


def normalised(text: str) -> str:
    """The text in one spelling: NFKC, folded case, single spaces, none beside characters that stand for
    words."""
    if text.isascii():
        return " ".join(text.casefold().split())
    spaced = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return _SPACE_BESIDE.sub("", spaced)


def words_of(text: str) -> list[str]:
    """The words of a normalised text; single characters in scripts that put no spaces between words.

    Example: ``"小明有 3 apples"`` is ``["小", "明", "有", "3", "apples"]``.
    """
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text)


def without_numbers(text: str) -> str:
    """Every number as 0, whatever its digits, points and commas.

    Example: ``"12.5 of 1,000"`` is ``"0 of 0"``.
    """
    return _NUMBER.sub("0", text)


def _has_words(text: str) -> bool:
    return (
        sum(0.5 if _CHARACTER.fullmatch(word) else 1.0 for word in words_of(text) if not word.isdigit())
        >= MIN_WORDS
    )


def _first_places(texts: Sequence[str]) -> dict[str, int]:
    places: dict[str, int] = {}
    for index, text in enumerate(texts):
        places.setdefault(text, index)
    return places
