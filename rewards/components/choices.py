r"""Which choice a text commits to: ``\boxed{B}``, answer tags, ``#### B``, "the answer is (B)", "B is
correct", or its last line.

Each commitment is read by one rule (:func:`_label_in`): a label at its start, or the only one that is marked
as a label, that is neither denied nor offered beside another one. The last commitment counts, even if it
names nothing.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rewards.components.choice_patterns import (
    BOX,
    CONDITION,
    DENIED_AFTER,
    DENIED_BEFORE,
    DOUBTED,
    GOES_ON,
    HASH,
    JOINED,
    LEADS,
    MARKUP,
    NAME,
    OPERATOR,
    PHRASE,
    REASON,
    REOPENED,
    SURE,
    TAG,
    UNASKED,
)

LAST_CHARACTERS = 4000
"""Where an answer in words is looked for, from the end."""
LONGEST = 1000
"""Characters of a commitment; a longer one is no choice."""
MOST = 16
"""Boxes, tags, hashes that are looked at, from the end."""
WORDS_TOO = ("A", "I")
"""Labels that also are English words: "A square has ..." chooses nothing."""


@dataclass(frozen=True, slots=True)
class _Commitment:
    """One place that settles the answer, or fails to."""

    start: int
    end: int
    label: str | None
    closed: bool = False
    """In a box or tags: nothing that follows can be part of it."""


class Labels:
    """The names of the choices, as patterns."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.names = tuple(labels)
        names = "|".join(map(re.escape, sorted(labels, key=len, reverse=True)))
        self._token = rf"(?<![A-Za-z0-9\\])(?P<label>{names})(?![A-Za-z0-9]|['’][A-Za-z]|\.\d)"
        filler = rf"(?!(?i:{names})(?![A-Za-z0-9]))(?:{NAME}|{SURE})"
        self._fillers = re.compile(rf"(?:[\s\"'(\[:,>-]|{filler})*", re.IGNORECASE)
        self._first = re.compile(rf"(?P<open>[(\[\"']?)\s?{self._token}")
        self._beside = re.compile(
            rf"(?i:{JOINED}[\s(\[:,\"']*(?:(?:also|even|it|is|be|{NAME})[\s(\[]*)*){self._token}"
        )
        self._next = re.compile(rf"[)\]]?\s*[(\[]?\s?{self._token}(?!\s[a-z])")
        self._cases = re.compile(
            rf"(?:\band\b|[,;])\s*[(\[]?{self._token}[)\]]?\s+(?:for|if|when|otherwise|else)\b"
        )
        self._small = re.compile(rf"[(\[]\s?(?P<label>(?i:{names}))\s?[)\]]")
        self._joined_before = re.compile(rf"{self._token}[\s)\].,]{{0,3}}\b(?:or|and)\b[\s(\[]*$")
        self._marked = re.compile(rf"(?:[(\[]\s?|\b(?:[Oo]ption|[Cc]hoice|[Ll]etter)\s+[(\[]?){self._token}")
        self._listed = re.compile(rf"(?:^|(?<=[\s(\[])){self._token}\s?[).:]")
        self._right = re.compile(
            rf"{self._token}[)\]\"']?\s+(?:is|seems|must be|looks)\s+"
            r"(?:(?:indeed|clearly|definitely|certainly|obviously|therefore|thus|likely|probably|surely|really|the|most|only|single|one)\s+)*"
            r"(?:correct|right|best|appropriate|answer|accurate)\b(?!,?\s+(?:only|if|unless|when|but|except|provided|or|and)\b|\?)"
        )
        self._also = re.compile(
            rf"{self._token}[)\]\"']?\s+(?:(?:is|would|could|might|may|can)\s+(?:also|equally|just\s+as|possible|plausible|acceptable)\b"
            r"|(?:would|could|might|may|can)\s+(?:work|fit)\b|(?:works\s+)?too\s*[.!]?\s*$)",
            re.MULTILINE,
        )
        self._correction = re.compile(
            rf"(?:not|n['’]t|never)\s+(?:{NAME})?[(\[]?{self._token}[)\]]?,?\s+(?:but|rather|instead)\s+(?:rather\s+)?"
        )
        self._whole = re.compile(rf"\W*(?:(?:final|{filler})[\s,:]*+)*+[(\[]?{self._token}\W*", re.IGNORECASE)

    def exact(self, name: str) -> str | None:
        """The label as it is named, whatever its case, if only one could be meant."""
        if name in self.names:
            return name
        alike = [label for label in self.names if label.casefold() == name.casefold()]
        return alike[0] if len(alike) == 1 else None

    def read(self, content: str) -> str | None:
        """The one label that a commitment's words settle on."""
        text = plain(content[:LONGEST])
        if len(content) > LONGEST:
            return None
        text = re.sub(r"\((?:since|because|as|not)\b[^()]*\)", " ", text)
        corrected = self._correction.search(text)
        if corrected:
            text = text[corrected.end() :]
        start = self._fillers.match(text)
        begin = start.end() if start else 0
        if small := self._small.match(text, max(0, begin - 1)):
            before, after = text[: small.start("label")], text[small.end("label") :]
            text = f"{before}{self.exact(small['label']) or ''}{after}"
        first = self._first.match(text, begin)
        if first is None:
            lone = self._whole.fullmatch(text)  # "b"
            return (
                self.exact(lone["label"])
                if lone and not DENIED_BEFORE.search(text[: lone.start("label")])
                else self._only_marked(text)
            )
        label, end = first["label"], first.end()
        quoted = (
            text[end : end + 1] in ("'", '"') and text[: first.start("label")][-1:] == text[end : end + 1]
        )
        if OPERATOR.match(text, end + quoted) or re.search(
            r"(?<![-\s])[-−+/]$|(?:^|\s)[-−+/]$", text[: first.start("label")]
        ):
            return None
        unmarked = not first["open"] and text[end : end + 1] not in (")", "]", ":", ".")
        if label in WORDS_TOO and unmarked and GOES_ON.match(text, end):
            return self._only_marked(text)
        if (
            DENIED_BEFORE.search(text[: first.start()])
            or DENIED_AFTER.match(text, end)
            or DOUBTED.search(text[end:])
        ):
            return None
        if (
            self._next.match(text, end)
            or self._cases.search(text, end)
            or self.offers_another(text, end, label)
        ):
            return None
        return label

    def offers_another(self, text: str, end: int, label: str) -> bool:
        """True if another label is put beside the one that ends here, before any reason is given."""
        for between in (r"[\s)\](,\"']*", r"[\s)\]]*\.\s*\("):
            gap = re.compile(between).match(text, end)
            beside = self._beside.match(text, gap.end() if gap else end)
            if beside and beside["label"] != label:
                return True
        reason = REASON.search(text, end)
        head = text[: reason.start() + 1 if reason else len(text)]
        return any(found["label"] != label for found in self._beside.finditer(head, end))

    def _only_marked(self, text: str) -> str | None:
        found = list(self._marked.finditer(text))
        names = {self.exact(match["label"]) for match in found}
        if len(names) != 1:
            return None
        last = found[-1]
        denied = DENIED_BEFORE.search(text[: last.start()]) or DENIED_AFTER.match(text, last.end())
        led = LEADS.search(text[: last.start()]) or last.start() == 0 or text[last.start()] in "(["
        return names.pop() if led and not denied else None

    def last_line(self, line: str, before: str) -> str | None:
        """The label of a last line that is an answer, no item of a list of choices, and nothing is said
        against."""
        label = self._of_line(line, before)
        said = [
            match.end() for match in self._first.finditer(plain(line)) if self.exact(match["label"]) == label
        ]
        if label is None or not said:
            return label
        rest = plain(line)[said[0] :].lstrip(" )].:")
        reason = REASON.search(rest)
        beside = self._beside.finditer(rest[: reason.start()] if reason else rest)
        return (
            None
            if REOPENED.search(plain(line)[said[0] :]) or any(found["label"] != label for found in beside)
            else label
        )

    def _of_line(self, line: str, before: str) -> str | None:
        text = plain(line).strip()
        listed = {match["label"] for match in self._listed.finditer(text)}
        above = self._listed.match(plain(before).strip(" (["))
        if len(listed) > 1 or (above and listed and above["label"] not in listed):
            return None
        if self._whole.fullmatch(plain(before).strip()) and self.read(before) != self.read(text):
            return None
        if self._whole.fullmatch(text):
            return self.read(text)
        ending = re.split(r"(?<=[.!?])\s+", text)[-1]
        if re.match(
            r"(?:so|thus|therefore|hence|it's|it is)\b", ending, re.IGNORECASE
        ) and self._whole.fullmatch(ending):
            return self.read(ending)
        first = self._first.match(text)
        if first and (
            re.match(r"[)\].:,;/]|\s[–—=-]\s", text[first.end() :]) or REASON.match(text, first.end() + 1)
        ):
            return self.read(text)
        marked = list(self._marked.finditer(text))
        return self.read(text) if marked and LEADS.search(text[: marked[-1].start()]) else None

    def begins_with_label(self, line: str) -> bool:
        """True for an item of a list of choices, and for a line that is a label."""
        return bool(self._listed.match(plain(line).strip(" ([-"))) or self.is_whole(line)

    def is_whole(self, line: str) -> bool:
        """True if the line is a label and nothing more."""
        return bool(self._whole.fullmatch(plain(line).strip()))

    def called_right(self, text: str) -> Iterator[re.Match[str]]:
        """Every "B is correct" that is not on a condition."""
        for match in self._right.finditer(text):
            before = text[max(0, match.start() - 60) : match.start()]
            if (
                not CONDITION.search(before)
                and not self.joined_before(before, match["label"])
                and not DENIED_BEFORE.search(before)
                and not UNASKED.search(re.split(r"[.,;\n]", before)[-1])
            ):
                yield match

    def also_right(self, text: str) -> Iterator[re.Match[str]]:
        """Every "C is also right"."""
        return self._also.finditer(text)

    def joined_before(self, text: str, label: str | None) -> bool:
        """True if "A or" stands before a commitment to another one."""
        found = self._joined_before.search(plain(text))
        return bool(found and found["label"] != label)


def plain(text: str) -> str:
    """Without the marks of Markdown and LaTeX."""
    return re.sub(r"[ \t]+", " ", MARKUP.sub(" ", text.replace("\\_", " ")))


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
            gap = plain(text[spans[number - 1][2] + 1 : start]).strip()  # type: ignore[operator]  # not None, by the line above
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
