"""``detectable_content:*`` of IFEval: placeholders, a postscript, and a rephrased paragraph."""

import re
from collections import Counter

from rewards.ifeval.text import words

_POSTSCRIPTS = {
    "P.S.": re.compile(r"p\.\s?s\."),
    "P.P.S": re.compile(r"p\.\s?p\.\s?s"),
}


def number_placeholders(text: str, *, num_placeholders: float) -> bool:
    """At least so many ``[...]``, each within one line."""
    return sum(_placeholders(line) for line in text.split("\n")) >= num_placeholders


def _placeholders(line: str) -> int:
    # A walk, not a pattern: thousands of open brackets would make a pattern quadratic.
    count, start = 0, 0
    while (opened := line.find("[", start)) >= 0 and (closed := line.find("]", opened)) >= 0:
        count, start = count + 1, closed + 1
    return count


def postscript(text: str, *, postscript_marker: str) -> bool:
    """The marker occurs; the dots of P.S. and P.P.S may have a space behind them."""
    lowered = text.lower()
    known = _POSTSCRIPTS.get(postscript_marker)
    return bool(known.search(lowered)) if known else postscript_marker.lower() in lowered


def rephrase_paragraph(text: str, *, original_paragraph: str, low: float, high: float) -> bool:
    """Between ``low`` and ``high`` words are shared with the original, counted with repetition."""
    shared = Counter(words(text.lower())) & Counter(words(original_paragraph.lower()))
    return low <= shared.total() <= high
