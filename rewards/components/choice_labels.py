"""The labels of choices in a text: which one a piece of it names, denies or offers beside another."""

import re
from collections.abc import Iterator, Sequence

from rewards.components.choice_patterns import (
    CONDITION,
    DENIED_AFTER,
    DENIED_BEFORE,
    DOUBTED,
    GOES_ON,
    JOINED,
    LEADS,
    MARKUP,
    NAME,
    OPERATOR,
    REASON,
    REOPENED,
    SURE,
    UNASKED,
)

LONGEST = 1000
"""Characters of a commitment; a longer one is no choice."""
WORDS_TOO = ("A", "I")
"""Labels that also are English words: "A square has ..." chooses nothing."""


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
            r"(?:(?:indeed|clearly|definitely|certainly|obviously|therefore|thus|likely|probably"
            r"|surely|really|the|most|only|single|one)\s+)*"
            r"(?:correct|right|best|appropriate|answer|accurate)\b(?!,?\s+(?:only|if|unless|when"
            r"|but|except|provided|or|and)\b|\?)"
        )
        self._also = re.compile(
            rf"{self._token}[)\]\"']?\s+(?:(?:is|would|could|might|may|can)\s+(?:also|equally"
            rf"|just\s+as|possible|plausible|acceptable)\b"
            r"|(?:would|could|might|may|can)\s+(?:work|fit)\b|(?:works\s+)?too\s*[.!]?\s*$)",
            re.MULTILINE,
        )
        self._correction = re.compile(
            rf"(?:not|n['’]t|never)\s+(?:{NAME})?[(\[]?{self._token}[)\]]?,?\s+(?:but|rather"
            rf"|instead)\s+(?:rather\s+)?"
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
