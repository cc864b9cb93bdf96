"""``detectable_format:*`` of IFEval: bullets, highlights, sections, titles, JSON, a fixed answer."""

import json
import re

CONSTRAINED_ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_BULLET = re.compile(r"^[^\S\n]*(?:\*[^*]|-)", re.MULTILINE)
_SINGLE = re.compile(r"\*[^\n*]*\*")
_DOUBLE = re.compile(r"\*\*[^\n*]*\*\*")
_FENCE = re.compile(r"^```(?:json|Json|JSON)?")
_CHANGE = re.compile(r"\*.*\*")


def number_bullet_lists(text: str, *, num_bullets: float) -> bool:
    """Exactly so many lines begin with ``*`` (not ``**``) or ``-``."""
    return len(_BULLET.findall(text)) == num_bullets


def constrained_response(text: str) -> bool:
    """One of the three fixed answers occurs."""
    return any(answer in text for answer in CONSTRAINED_ANSWERS)


def number_highlighted_sections(text: str, *, num_highlights: float) -> bool:
    """At least so many ``*...*`` or ``**...**`` in one line that hold more than white space."""
    found = [*_SINGLE.findall(text), *_DOUBLE.findall(text)]
    return sum(bool(highlight.strip("*").strip()) for highlight in found) >= num_highlights


def multiple_sections(text: str, *, section_spliter: str, num_sections: float) -> bool:
    """At least so many "Section 1"-like marks; ``section_spliter`` (published spelling) is the word."""
    return len(re.findall(rf"{re.escape(section_spliter)}\s?\d", text)) >= num_sections


def json_format(text: str) -> bool:
    """All of it is JSON, in a Markdown fence or not."""
    body = _FENCE.sub("", text.strip(), count=1).removesuffix("```").strip()
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def title(text: str) -> bool:
    """A line holds ``<<...>>`` with something inside."""
    for line in text.split("\n"):
        opened, closed = line.find("<<"), line.rfind(">>")
        if 0 <= opened < closed and line[opened:closed].lstrip("<").rstrip(">").strip():
            return True
    return False


def rephrase(text: str, *, original_message: str) -> bool:
    """The part between asterisks changed, and nothing else did."""
    if not (_CHANGE.search(text) and _CHANGE.search(original_message)):
        return False
    return _CHANGE.sub("", text) == _CHANGE.sub("", original_message)
