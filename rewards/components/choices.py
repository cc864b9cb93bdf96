r"""Which choice a text commits to: ``\boxed{B}``, answer tags, ``#### B``, "the answer is (B)", "B is
correct", or its last line.

Each commitment is read by one rule (``Labels.read``): a label at its start, or the only one that is marked
as a label, that is neither denied nor offered beside another one. The last commitment counts, even if it
names nothing.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rewards.components.choice_labels import Labels, plain
from rewards.components.choice_patterns import (
    BOX,
    CONDITION,
    DENIED_AFTER,
    DENIED_BEFORE,
    HASH,
    PHRASE,
    REOPENED,
    TAG,
    UNASKED,
)

LAST_CHARACTERS = 4000
"""Where an answer in words is looked for, from the end."""
MOST = 16
"""Boxes, tags, hashes that are looked at, from the end."""


@dataclass(frozen=True, slots=True)
class _Commitment:
    """One place that settles the answer, or fails to."""

    start: int
    end: int
    label: str | None
    closed: bool = False
    """In a box or tags: nothing that follows can be part of it."""


@lru_cache(maxsize=16)
def _named(labels: tuple[str, ...]) -> Labels:
    return Labels(labels)


def commitment_of(text: str, labels: Sequence[str]) -> tuple[str | None, bool]:
    """(label or None, whether it stands in a closed box or tags) of the last commitment in a text without
    thinking."""
    names = _named(tuple(labels))
    closed = [*_boxes(text, names), *_tags(text, names)]
    loose = [
        one
        for one in (*_hashes(text, names), *_phrases(text, names))
        if not any(c.start < one.start < c.end for c in closed)
    ]
    found = [*closed, *loose]
    last = max(found, key=lambda one: (one.start, one.end), default=None)
    if last is None:
        line, before, _ = _last_line(text)
        return names.last_line(line, before) or _first_line(text, names), False
    line, _, start = _last_line(text)
    if start >= last.end and names.is_whole(line):
        return names.read(line), False
    if last.label is None or _is_reopened(text[last.end :], last.label, names):
        return None, last.closed
    return last.label, last.closed


def _first_line(text: str, names: Labels) -> str | None:
    """The label that is a text's first line and nothing more, if no other line begins with one and nothing
    takes it back."""
    first, *more = [line for line in text.splitlines() if line.strip()] or [""]
    if not more or not names.is_whole(first) or any(names.begins_with_label(line) for line in more):
        return None
    label = names.read(first)
    return None if label is None or _is_reopened("\n" + "\n".join(more), label, names) else label


def _is_reopened(rest: str, label: str, names: Labels) -> bool:
    """True if what follows a commitment takes it back, or puts another choice beside it."""
    said = plain(rest)
    if names.offers_another(said, 0, label):
        return True
    if DENIED_AFTER.match(said):
        return True
    return bool(REOPENED.search(said[:400]))


def _boxes(text: str, names: Labels) -> Iterator[_Commitment]:
    spans = [
        (match.start(), match.end(), _closing(text, match.end()))
        for match in list(BOX.finditer(text))[-MOST:]
    ]
    for number, (start, begin, end) in enumerate(spans):
        if end is None:
            yield _Commitment(start, len(text), None)
            continue
        label = names.read(text[begin:end])
        before = text[max(0, start - 60) : start]
        if number and spans[number - 1][2] is not None:
            # Not None, by the line above
            gap = plain(text[spans[number - 1][2] + 1 : start]).strip()  # type: ignore[operator]
            other = names.read(text[spans[number - 1][1] : spans[number - 1][2]])
            joined = not gap or re.fullmatch(r"(?:or|and|maybe|perhaps|[,/;()\s])+", gap, re.IGNORECASE)
            if other != label and (joined or re.search(r"\b(?:if|otherwise|else)\b", gap, re.IGNORECASE)):
                label = None
        denied = DENIED_BEFORE.search(plain(before))
        if (
            denied
            and number
            and not re.search(r"[.!?\n]", text[(spans[number - 1][2] or 0) : start])
            and label is not None
        ):
            continue  # "\boxed{B}, not \boxed{A}"
        if denied or names.joined_before(before, label):
            label = None
        yield _Commitment(start, end + 1, label, closed=True)


def _closing(text: str, begin: int) -> int | None:
    """Where the brace that is open at ``begin`` is closed."""
    depth = 1
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, begin, begin + LAST_CHARACTERS):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.start()
    return None


def _tags(text: str, names: Labels) -> Iterator[_Commitment]:
    tags = list(TAG.finditer(text))[-MOST:]
    before: str | None = None
    for tag, after in zip(tags, [*tags, None][1:], strict=True):
        if tag[1]:
            before = text[tag.end() : after.start()] if after else ""
            continue
        if after is None or not after[1]:
            yield _Commitment(tag.start(), len(text), None)
            continue
        joined = before is not None and bool(
            re.fullmatch(r"(?:or|and|maybe|perhaps|[/,;\s])*", before, re.IGNORECASE)
        )
        yield _Commitment(
            tag.start(),
            after.end(),
            None if joined else names.read(text[tag.end() : after.start()]),
            closed=True,
        )


def _hashes(text: str, names: Labels) -> Iterator[_Commitment]:
    lines = list(HASH.finditer(text))[-MOST:]
    end = len(text.rstrip())
    for line in lines:
        # Headings of an analysis ("#### Option A", then text) are no answers.
        if line.end() >= end or (len(lines) == 1 and names.is_whole(line[1])):
            yield _Commitment(line.start(), line.end(), names.read(line[1]))


def _phrases(text: str, names: Labels) -> Iterator[_Commitment]:
    offset = max(0, len(text) - LAST_CHARACTERS)
    tail = text[offset:]
    for phrase in PHRASE.finditer(tail):
        if CONDITION.search(tail[max(0, phrase.start() - 60) : phrase.start()]):
            continue
        line, end = _line_after(tail, phrase.end())
        denied = UNASKED.search(phrase[0]) or UNASKED.search(
            re.split(r"[.;!?\n]", tail[max(0, phrase.start() - 60) : phrase.start()])[-1]
        )
        label = None if denied else names.read(line)
        if (
            label is None
            and not denied
            and (phrase[0].strip() == "A:" or not re.search(r"\b(?:is|:|=)", phrase[0]))
        ):
            continue  # "choose the largest" is about the way, and "A: too small" about a choice
        yield _Commitment(
            offset + phrase.start(), offset + min(end, _sentence_end(tail, phrase.end(), end)), label
        )
    right = list(names.called_right(tail))
    said = {match["label"] for match in right}
    for match in names.also_right(tail):
        yield _Commitment(offset + match.start(), offset + match.end(), None)
    for match in right:
        yield _Commitment(
            offset + match.start(), offset + match.end(), match["label"] if len(said) == 1 else None
        )


def _line_after(text: str, begin: int) -> tuple[str, int]:
    """The rest of the line, or the next one that says something."""
    while begin < len(text):
        line = text[begin:].split("\n", 1)[0]
        end = begin + len(line)
        if plain(line).strip(" :.-\"'()[]\\"):
            return line, end
        begin = end + 1
    return "", len(text)


def _sentence_end(text: str, begin: int, end: int) -> int:
    stop = re.search(r"[.!;?](?=\s)", text[begin:end])
    return begin + stop.start() if stop else end


def _last_line(text: str) -> tuple[str, str, int]:
    """The last line that says something, the one before it, and where the last begins."""
    lines, start = [], 0
    for line in text.splitlines(keepends=True):
        if line.strip():
            lines.append((line, start))
        start += len(line)
    if not lines:
        return "", "", 0
    return lines[-1][0][-LAST_CHARACTERS:], lines[-2][0] if len(lines) > 1 else "", lines[-1][1]
