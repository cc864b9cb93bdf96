"""READ, spelling: one form for texts that differ in delimiters, wrappers, spaces and names of the same thing
only."""

import re
from functools import lru_cache

from rewards.maths.characters import plain_characters, repaired, unmarked
from rewards.maths.prose_tokens import FORMULA, content
from rewards.maths.values import unwrapped

_SIZES = re.compile(
    r"\\(?:left|right|big|Big|bigg|Bigg)(?![a-z])[lr]?(?:(?=[\s\\(\[{|)\]}/<.])\.?)|\\displaystyle"
)
_DELIMITER = re.compile(r"\\[()\[\]](?!\d)|(?<![\\\d])\$(?!\s?[-+]?\.?\d)")
_WRAPPER = re.compile(r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mbox|emph)\s*\{([^{}]*)\}")
_SPACES = re.compile(r"\\[,;:! ]|[\s~]")
_EMPTY = re.compile(
    r"\\varnothing|\\O(?![A-Za-z])|\\\{\s*\\\}|(?:\\text\s?\{)?\s*(?:the )?empty set\s*\}?", re.IGNORECASE
)
_NONE = re.compile(
    r"(?:there (?:is|are|exists?) )?no (?P<kind>real |integer |positive )?(?:solutions?|answers?)(?:"
    r" exists?)?",
    re.IGNORECASE,
)
_DOUBLED = re.compile(
    r"(?<!\\)\\\\(?=(?:left|right|[dt]?frac|text|boxed|sqrt|pi|infty|cup|cap|times|cdot|begin|end"
    r"|le|ge|pm)(?![a-z]))"
)
_ABOUT = re.compile(r"~~|\A~")
_DIGITS_APART = re.compile(r"(\d)(?:\\[,;: ]|[\s~])+(?=\d)")
_DNE = re.compile(r"dne|(?:it )?does not exist|does n[o']t exist", re.IGNORECASE)


@lru_cache(maxsize=2048)
def canonical(text: str) -> str:
    """An answer without maths delimiters, outer wrappers, a full stop at its end, and with LaTeX for
    Unicode."""
    text = plain_characters(_DOUBLED.sub(r"\\", repaired(text))).strip()
    text = unmarked(text) if "`" in text or "**" in text or "__" in text else text
    text = _ABOUT.sub(r"\\sim ", text)
    text = FORMULA.sub(lambda match: f" {content(match)} ", text)
    text = _DELIMITER.sub("", text if "\\begin" in text else _SIZES.sub("", text)).strip()
    text = _EMPTY.sub(r"\\emptyset ", text)
    while True:
        shorter = _bare(text)
        if shorter == text:
            break
        text = shorter
    words = unwrapped(text).rstrip(".")
    none = _NONE.fullmatch(words)
    if none:
        return f"no {none['kind'] or ''}solution".lower()
    return "does not exist" if _DNE.fullmatch(words) else text


def _bare(text: str) -> str:
    text = text.strip()
    if not text.endswith("\\$"):
        text = text.rstrip("\\ ")
    whole = _WRAPPER.fullmatch(text)
    text = (whole[1] if whole else text).strip()
    if text.endswith(".") and not text.endswith("...") and not text.lower().endswith(".m."):
        text = text[:-1].strip()
    return (
        text[1:-1].strip()
        if re.fullmatch(r"\([^(),]*\)|\{[^{},]*\}|\[[^\[\],]*\]", text) and "\\begin" not in text
        else text
    )


def plain_text(text: str) -> str:
    """For comparing as strings: without spaces and wrappers; words and single choice letters lose their
    case."""
    text = (
        _SPACES.sub("", _DIGITS_APART.sub(r"\1_ ", _WRAPPER.sub(r"\1", text)))
        .replace("dfrac", "frac")
        .replace("tfrac", "frac")
    )
    return text.casefold() if re.fullmatch(r"[A-E]|[a-e]|[A-Za-z]{2,}", text) else text


def words_alone(text: str) -> bool:
    """True for an answer in words: it is compared as text."""
    plain = plain_text(text)
    return plain.isalpha() and len(plain) > 1
