"""Inline code that names a field, a preset or a command becomes a link to where it is explained."""

import html as entities
import re
from collections.abc import Callable, Mapping

_SPLIT = re.compile(r"(<(pre|a|h[1-6]|autoref|summary)\b.*?</\2>)", re.S)
_CODE = re.compile(r"<code>([^<]+)</code>")
Places = Mapping[str, tuple[str, str]]


def place_of(text: str, places: Places) -> tuple[str, str] | None:
    """(page, anchor) of a field, also with ``=value``; of a preset; of a command, also with arguments."""
    text = text.strip()
    if text.startswith("t2rl "):
        words = text.split()
        return next((places[name] for n in (3, 2) if (name := " ".join(words[:n])) in places), None)
    field = text.partition("=")[0]
    # A section's name alone is too common a word: `model`, `task`.
    return places.get(text if text in places else field) if "." in field or "=" in text else None


def with_links(html: str, places: Places, url: Callable[[str, str], str], *, own: str) -> str:
    """The page with such code linked; headings, links, blocks and what leads to the page itself stay.

    Args:
        html: The page's content.
        places: Name -> (page, anchor).
        url: From here to an anchor of a page.
        own: The page that this is.
    """

    def link(match: re.Match[str]) -> str:
        place = place_of(entities.unescape(match[1]), places)
        if place is None or place[0] == own:
            return match[0]
        return f'<a href="{url(*place)}">{match[0]}</a>'

    # Plain, a whole element, the name of its tag, plain, ...
    parts = _SPLIT.split(html)
    linked = [_CODE.sub(link, part) if at % 3 == 0 else part for at, part in enumerate(parts) if at % 3 != 2]
    return "".join(linked)
