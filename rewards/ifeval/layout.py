"""``format:*`` of IFBench."""

import re
import string
from itertools import pairwise

import emoji

from rewards.ifeval.text import bare_words, sentences, tokens, trim

NESTED_BRACKETS, NESTED_QUOTES = 5, 3
_PAIRS = {")": "(", "]": "[", "}": "{"}
_STRICT_OPTIONS = re.compile(r"\W*a\W*b\W*c\W*", re.IGNORECASE)
_EMOJI_LENGTH = 12
"""Code points that the longest emoji sequences have."""


def options(text: str, *, options: str) -> bool:
    """The response is one of the options, which "/", "or" or a comma separates; a letter with its bracket
    must be exact."""
    separator = next((mark for mark in ("/", "or") if mark in options), ",")
    choices = [choice.strip() for choice in options.split(separator)]
    if _STRICT_OPTIONS.match(options):
        return text.strip() in choices
    return trim(text).lower() in {trim(choice).lower() for choice in choices}


def newline(text: str) -> bool:
    """One word a line."""
    lines = [bare_words(line) for line in text.split("\n")]
    return all(len(line) <= 1 for line in lines)


def ends_with_emoji(text: str) -> bool:
    """Each sentence ends with an emoji, before or behind its full stop."""
    found = [
        sentence.translate(str.maketrans("", "", string.punctuation)).strip() for sentence in sentences(text)
    ]
    return all(_last_is_emoji(here) or _first_is_emoji(after) for here, after in pairwise([*found, ""]))


def _last_is_emoji(text: str) -> bool:
    tail = text[-_EMOJI_LENGTH:]
    found = emoji.emoji_list(tail)
    return bool(found) and found[-1]["match_end"] == len(tail)


def _first_is_emoji(text: str) -> bool:
    found = emoji.emoji_list(text[:_EMOJI_LENGTH])
    return bool(found) and found[0]["match_start"] == 0


def line_indent(text: str) -> bool:
    """Each line is indented further than the one before; empty ones do not count."""
    indents = [len(line) - len(line.lstrip(" ")) for line in text.split("\n") if line.strip()]
    return all(earlier < later for earlier, later in pairwise(indents))


def quote_unquote(text: str) -> bool:
    """No quotation follows another directly, and none ends the response."""
    dense = "".join(text.replace("“", '"').replace("”", '"').replace("'\"'", "").split())
    return '""' not in dense and not dense.strip(
        string.digits + string.punctuation.replace('"', "")
    ).endswith('"')


def separated_list(text: str, *, sep: str) -> bool:
    """The mark that stands for a bullet occurs at least twice."""
    return text.count(sep) >= 2


def thesis(text: str) -> bool:
    """Something in HTML italics, and something behind it."""
    for tag in ("i", "em"):
        inside, closed, after = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")
        if closed and inside.strip() and after.strip():
            return True
    return False


def sub_bullets(text: str) -> bool:
    """At least one ``*``, and a ``-`` between each of them and the next."""
    _, *bullets = text.split("*")
    return bool(bullets) and all("-" in bullet for bullet in bullets)


def no_bullets_bullets(text: str) -> bool:
    """At least two sentences, then at least two lines that begin with ``*``, and nothing else."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    starred = [line.startswith("*") for line in lines]
    first = starred.index(True) if any(starred) else len(lines)
    said = sum(len(sentences(line)) for line in lines[:first])
    return said >= 2 and all(starred[first:]) and len(lines) - first >= 2


def parentheses(text: str) -> bool:
    """Brackets nest five deep, and one that deep is closed by its own kind; a wrong closing one starts the
    count anew."""
    opened: list[str] = []
    deepest = 0
    for character in text:
        if character in "([{":
            opened.append(character)
            deepest = max(deepest, len(opened))
        elif character in _PAIRS:
            if opened and opened[-1] == _PAIRS[character]:
                opened.pop()
                if deepest >= NESTED_BRACKETS:
                    return True
            else:
                opened, deepest = [], 0
    return False


def quotes(text: str) -> bool:
    """Double and single quotation marks in turns, three deep, and all three closed."""
    opened: list[str] = []
    deepest = 0
    for character in text:
        if opened and character == opened[-1]:
            opened.pop()
            if deepest - len(opened) >= NESTED_QUOTES:
                return True
        elif character in "\"'":
            opened.append(character)
            deepest = max(deepest, len(opened))
    return False


def title_case(text: str) -> bool:
    """No token begins with a lower-case letter, unless it mixes cases."""
    said = [token for token in tokens(text) if token[0].isalpha()]
    return not any(
        token[0].islower() and (len(token) == 1 or token[1:].isupper() or token[1:].islower())
        for token in said
    )


def output_template(text: str) -> bool:
    """The three headings of the template occur."""
    return all(heading in text for heading in ("My Answer:", "My Conclusion:", "Future Outlook:"))


def no_whitespace(text: str) -> bool:
    """Not one white space character."""
    return not any(character.isspace() for character in text)
