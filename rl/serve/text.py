"""Text of a sequence while its tokens still come, and where it ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Decode = Callable[[Sequence[Sequence[int]]], list[str]]
UNFINISHED = "\ufffd"
"""A tokenizer's sign for bytes that are no whole character yet."""


@dataclass(slots=True)
class TextStream:
    """Token ids to text, piece by piece: the pieces together are the text of all ids.

    Only the last few ids are decoded again, those whose text the next id may still change: a character of
    several tokens, or a space that a tokenizer drops at the beginning.
    """

    decode: Decode
    _ids: list[int] = field(default_factory=list)
    _start: int = 0
    """Ids before it are no longer looked at."""
    _read: int = 0
    """Ids before it have given their text."""

    def add(self, ids: Sequence[int]) -> str:
        """The new text; "" while a character is not whole."""
        self._ids.extend(ids)
        news = self._news()
        if not news or news.endswith(UNFINISHED):
            return ""
        self._start, self._read = self._read, len(self._ids)
        return news

    def rest(self) -> str:
        """The text of what was held back; nothing follows."""
        news, self._read = self._news(), len(self._ids)
        return news

    def _news(self) -> str:
        before, now = self.decode([self._ids[self._start : self._read], self._ids[self._start :]])
        return now[len(before) :]


@dataclass(slots=True)
class StopTexts:
    """The text up to the first of ``stops``, piece by piece; what may be the beginning of one is held
    back."""

    stops: Sequence[str]
    _held: str = ""

    def add(self, news: str, *, last: bool) -> tuple[str, bool]:
        """(text that is certain now, whether a stop was met); with ``last`` nothing is held back."""
        text = self._held + news
        met = [at for stop in self.stops if (at := text.find(stop)) >= 0]
        if met:
            return text[: min(met)], True
        keep = 0 if last else self._possible(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], False

    def _possible(self, text: str) -> int:
        """Characters at the end that a stop may begin with."""
        longest = max((len(stop) for stop in self.stops), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self.stops):
                return length
        return 0
