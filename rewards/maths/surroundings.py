r"""EXTRACT, surroundings: what the words around a committed place do to it.

They deny it ("is not \boxed{42}", "\boxed{42} is wrong"), take it back ("... no, wait"), offer another one
beside it ("or 41"), or make it a part of something else ("half of", "-\boxed{7}", "\boxed{3}\sqrt{2}",
"\boxed{3} million").
"""

import re

from rewards.maths.lexicon import SCALES
from rewards.maths.units import is_unit

NEAR = 80
"""Characters on either side that are looked at for words that join, deny or compare."""
AFTERMATH = 300
"""Characters behind a place in which it may be taken back."""
PERHAPS = (
    r"(?:maybe|perhaps|possibly|even|also|else|rather|about|approximately|around|it|is|was|could|might|may|be"
    r"|otherwise)"
)
_FILL = (
    r"(?:\s+(?:be|the|a|an|equal|equals|to|answer|number|value|result|simply|just|exactly|actually"
    r"|really|necessarily|going|given|by|"
    r"correct|final|true|that|is|it|of|my|our|x|y|n)\b)*"
)
_OPENERS = r"[\s$(\[{\\:*_`\"']*(?:(?:displaystyle|text|quad|,|;|[A-Za-z]\w?\s*=)[\s$(\[{\\]*)*\Z"
_DENIAL = (
    r"(?:\bnot|\bnever|\w+n['’]t|\bcannot|\bcant|\banything\s+but|\bother\s+than|\brather\s+than"
    r"|\binstead\s+of|\bexcept(?:\s+for)?"
    r"|\bexcluding|\bfar\s+from|\bunlike|\brules?\s+out|\bruled\s+out|\bnor|\bneither|\bwithout"
    r"|\breject(?:s|ed)?|\bdiscard(?:s|ed)?"
    r"|\b(?:wrong|incorrect)(?:ly)?\s+(?:answer|value|result)(?:\s+is)?"
    r"|\bby\s+no\s+means|\bdoubt(?:\s+that)?|\bdifferent\s+from|\bunequal\s+to|\bno\s+longer)"
)
DENIED_BEFORE = re.compile(rf"{_DENIAL}{_FILL}{_OPENERS}", re.IGNORECASE)
"""Searched in the text that ends where a place begins."""
_MODIFIED_BEFORE = re.compile(
    r"(?:\b(?:at\s+(?:least|most)|(?:more|less|fewer|greater|larger|smaller|bigger|higher"
    r"|lower)\s+than|up\s+to|half(?:\s+of)?|twice|thrice"
    r"|double|triple|minus|negative|square\s+root\s+of|cube\s+root\s+of|factorial\s+of"
    r"|reciprocal\s+of|inverse\s+of|opposite\s+of"
    r"|square\s+of|cube\s+of|negative\s+of|log(?:arithm)?\s+of|between|either|neither|almost|nearly"
    r"|(?:a|one|two|three)[\s-]"
    r"(?:third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth)s?\s+of))[\s$(\[{\\:*]*\Z",
    re.IGNORECASE,
)
_BOUNDED_BEFORE = re.compile(
    r"\b(?:about|roughly|around|over|above|below|under|beyond|exceeds?|exceeding|maybe|perhaps"
    r"|possibly|(?:everything|all|anything)\s+but)"
    r"[ $(\[{\\*]*\Z",
    re.IGNORECASE,
)
_SUPPOSED_BEFORE = re.compile(
    r"\b(?:suppose|assume|imagine|pretend|let|say|says|said|claims|claimed|thinks|thought|believes"
    r"|believed|guesses|guessed"
    r"|told\s+(?:me|us|him|her))\s+(?:that\s+)?(?:the\s+)?(?:final\s+|correct\s+)?(?:answer|result"
    r"|value|it|x|n)\s*"
    r"(?:is|be|was|were|=|equals)[\s$(\[{\\:*]*\Z",
    re.IGNORECASE,
)
_OPERAND_BEFORE = re.compile(
    r"(?<=\S)\s?(?<![*_])[-+*/^_<|~]\s?\{?\s?\Z|[\s\d})]>\s?\Z|[$({\[=]\s?[-~]\s?\Z|\A\s?[-~]\Z"
    r"|\^\s?\{\s?\Z|_\s?\{\s?\Z"
    r"|\\(?:leq?|geq?|neq?|lt|gt|cdot|times|div|pm|mp|sqrt|sim|log|ln|sin|cos|tan|max|min|frac"
    r"|not)(?![a-z])\s?[({]?\s?\Z"
    r"|\\[dtc]?frac\s?\{[^{}]{0,8}\}\s?\{\s?\Z|\d\.?\Z|(?<![\\A-Za-z])[A-Za-z]{1,3}\Z"
)
"""An operator, a relation or a factor right in front of a box; a dash at the start of a line is a bullet."""
_OPERAND_AFTER = re.compile(
    r"\s?[\^_]|!\s?(?:\$|\\[)\]]|\d)|\s?(?:[*/+|]|<(?![|/])|>|-(?!-)|\\(?:cdot|times|div|pm|mp|leq?"
    r"|geq?|neq?|lt|gt)(?![a-z]))\s?[\dA-Za-z\\({]"
    r"|[.,:]\d|\s?:\s?[\d\\]|\d|'s\b|[A-Za-z(]|\s?\\(?:sqrt|pi|[dt]?frac|sin|cos|log|ln|theta|alpha)(?![a-z])"
)
_QUOTED = re.compile(r"(?:\A|\n[ \t]*\n|(?:\A|\n)>[^\n]*\n)(?:> ?)+\Z")
"""At the start of a Markdown quotation or of one of its lines; a line of a formula may begin with > too."""
_EMPHASIS_BEFORE = re.compile(r"(?:\A|\s)([*_])\Z")
_EMPHASIS_AFTER = re.compile(r"[*_]\s*(?:[.,;:!?)]|\n|\Z)")
_OPEN_BRACKET = re.compile(r"(?<!\\)[(\[|]|\\\{")
_MATHS_START = re.compile(r"\$|\\[(\[]|\n|\\begin")
_MODIFIED_AFTER = re.compile(
    r"[\s$)\]\\]{0,5}(?:%[\s$]{0,3}of\s+\d+|squared|cubed|factorial|halved|doubled|tripled|plus"
    r"|minus|divided|multiplied|modulo|(?:times|out\s+of|(?:percent|%)\s+of)\s+\$?\d+"
    r"|,?\s*(?:at\s+(?:least|most)|give\s+or\s+take|would\s+be)|if\s+\$?[a-z]|unless\s+\$?[a-z]"
    r"|and\s+a\s+(?:half|third|quarter)|to\s+the\s+power|(?:or|and)\s+(?:more|less|fewer|so|above"
    r"|below|up)|(?:more|less)\s+than\s+\$?(?:\d+|[a-z]))\b",
    re.IGNORECASE,
)
_WITHDRAWN = re.compile(
    r"\A[\s$)\]\\.,;:*`\"'}(]*(?:is|was)\s+what\s+i\s+(?:first|initially|originally)|"
    r"\A[\s$)\]\\.,;:*`\"'}]*(?:is|are|was|were|would\s+be|seems|looks|must\s+be)\s+(?:\w+\s+){0,2}?"
    r"(?:wrong|incorrect|false|invalid|extraneous|rejected|not(?!\s+(?:\W{0,3}\d|hard|difficult"
    r"|surprising|only|a\s+coincidence|needed|necessary))|impossible|mistaken|a\s+mistake"
    r"|an\s+error|too\s+\w+)\b"
    r"|\A[\s$)\]\\.,;:*`\"'}]*(?:isn['’]t|can(?:no|['’])t|wasn['’]t|doesn['’]t|\(?(?:wrong"
    r"|incorrect)|not\b(?!\s+(?:\W{0,4}\d|\\(?:boxed|fbox)|\$)))"
    r"|(?:\A|[.!?;:,(\n—–-])[\s$)\]\\*]*(?:but\s+|oh\s+|hmm+,?\s+|oops,?\s+|and\s+)*"
    r"(?:no\b\s?[,.!;:—-]|actually,?\s+(?:no|it|that|the)\b|no\b\s+(?:wait|that|no)\b|wait\b"
    r"|hold\s+on|scratch\s+that|strike\s+that|correction\b|oops\b|my\s+mistake|sorry\b"
    r"|i\s+(?:was|am)\s+(?:wrong|mistaken|not\s+sure|unsure)|i\s+made\s+(?:a|an)\s+(?:mistake"
    r"|error)|i\s+take\s+(?:it|that)\s+back"
    r"|(?:that|this|it|which|the\s+(?:above|answer|result|value))(?:['’]s|\s+(?:is|was|seems|looks"
    r"|must\s+be|can(?:not|['’]t)\s+be))\s+"
    r"(?:\w+\s+){0,2}?(?:wrong|incorrect|false|not(?!\s+(?:\W{0,3}\d|hard|difficult|surprising|only"
    r"|a\s+coincidence|needed|necessary))|invalid|mistaken|impossible)\b"
    r"|(?:that|this|it|which)\s+(?:isn|can|wasn|doesn)['’]t\b|(?:that|this|it)\s+cannot\s+be"
    r"|ignore\s+(?:that|this|it)\b|disregard\b"
    r"|on\s+second\s+thought|i\s+(?:doubt|don['’]t\s+(?:think|believe)))",
    re.IGNORECASE,
)
CONCLUDES = re.compile(
    r"\b(?:hence|therefore|thus|so|consequently|answer|finally|final|conclude)\b", re.IGNORECASE
)
"""Between two boxes of a reference: the second one is the answer, and the first one a step."""
_NEXT_PROBLEM = re.compile(
    r"\n\s*(?:Question|Problem|Exercise|Q|Human|User|Input|Example)\b|<\|", re.IGNORECASE
)

_TEXT = r"\\(?:text|mbox|mathrm)\s{0,3}\{[^{}]{0,30}\b(?:and|or)\s{0,3}\}"
_SIDE_BY_SIDE = re.compile(rf"(?:[\s$,;~&]|\\q?quad\b|{_TEXT}|\b(?:and|or)\b|\\[\\,;: ()\[\]])*+")
_JOINED = re.compile(
    r"[\s$,;.)\\\]*]{0,8}\(?(?:or|maybe|perhaps|possibly|alternatively|otherwise|either|could\s+be"
    r"|might\s+be)\b(?P<rest>[^.\n]{0,40})",
    re.I,
)
_CORRECTED = re.compile(r"\b(?:rather|actually|wait|correct|instead|not?)\b", re.IGNORECASE)
_OR = (
    r"(?:\\text\s{0,3}\{\s{0,3}or\s{0,3}\}|\bor\b|\balternatively\b|\b(?:maybe|perhaps|possibly)\b)"
    rf"(?:,?\s{{1,3}}{PERHAPS}\b){{0,4}}"
)
_OR_AFTER = re.compile(
    rf"(?:[\s$,;)*\]\\]{{0,8}}\(?{_OR}"
    rf"|[\s$,;.)*\]\\]{{0,8}}\bor\b(?:,?\s{{1,3}}{PERHAPS}\b){{0,4}})[\s:,]{{0,3}}(?P<item>[^\n]{{1"
    rf",60}})",
    re.IGNORECASE,
)
_OR_BEFORE = re.compile(rf"(?P<item>[^\s]{{1,60}})\s{{1,4}}{_OR}[\s$(\\\[]{{0,6}}\Z", re.IGNORECASE)
_SO_BEFORE = re.compile(r"[.!?]\s|\n\s*\n")
_SUFFIX = re.compile(
    r"(?:\s?\$|\s?\\[)\]]|\s?\*\*)?[\s~]{0,3}(?P<word>[A-Za-z]{2,12}|[ap]\.\s?m\.)(?![A-Za-z])", re.IGNORECASE
)
_NOT_SUFFIX = frozenset(
    ["in", "as", "at", "am", "min", "mi", "yd", "sec", "day", "degree", "cent", "mole"]
) - {"am"}


def is_denied(text: str, start: int) -> bool:
    """True if the words in front of a place deny it."""
    before = text[max(0, start - NEAR) : start]
    sentence = _SO_BEFORE.split(before)[-1]
    return bool(DENIED_BEFORE.search(sentence))


def is_modified(text: str, start: int) -> bool:
    """True if the words in front of a place make it a bound, or a part of something else: "at least", "half
    of"."""
    before = text[max(0, start - NEAR) : start]
    return bool(
        _MODIFIED_BEFORE.search(before) or _BOUNDED_BEFORE.search(before) or _SUPPOSED_BEFORE.search(before)
    )


def is_withdrawn(text: str, end: int) -> bool:
    """True if what follows a place says that it is wrong, or takes it back."""
    after = text[end : end + AFTERMATH]
    problem = _NEXT_PROBLEM.search(after)
    return bool(_WITHDRAWN.search(after[: problem.start()] if problem else after))


def is_part(text: str, start: int, end: int) -> bool:
    r"""True if a box is one operand of a larger formula: ``-\boxed{7}``, ``\boxed{3}\sqrt{2}``."""
    before = text[max(0, start - 20) : start]
    if before.rpartition("\n")[2].lstrip() in ("- ", "* ", "+ ") or _QUOTED.search(text[:start]):
        before = ""
    elif (
        (mark := _EMPHASIS_BEFORE.search(before))
        and _EMPHASIS_AFTER.match(text, end, end + 20)
        and text[end] == mark[1]
    ):
        return _in_brackets(text, start, end)
    return bool(
        _OPERAND_BEFORE.search(before)
        or _OPERAND_AFTER.match(text, end)
        or _MODIFIED_AFTER.match(text, end)
        or _in_brackets(text, start, end)
    )


def _in_brackets(text: str, start: int, end: int) -> bool:
    r"""True if a box is one entry of a pair, a set or an argument: ``(1, \boxed{7})``."""
    before = text[max(0, start - NEAR) : start]
    formula = before[max((match.end() for match in _MATHS_START.finditer(before)), default=len(before)) :]
    opened = (
        len(_OPEN_BRACKET.findall(formula))
        - len(re.findall(r"(?<!\\)[)\]]|\\\}", formula))
        - 2 * (formula.count("|") // 2)
    )
    return opened > 0 and ("," in formula or not re.match(r"\s?[)\]]", text[end : end + 3]))


def suffix(text: str, end: int) -> str:
    """A scale word, am, pm or a well-known unit right behind a box: it belongs to the answer."""
    match = _SUFFIX.match(text, end)
    if match is None:
        return ""
    word = match["word"]
    plain = word.lower().replace(".", "").replace(" ", "")
    if plain in ("am", "pm") and (len(word) > 2 or plain == "pm" or word.isupper()):
        return f" {word}"
    if plain in SCALES or plain.removesuffix("s") in SCALES:
        return f" {word}"
    return f" {word}" if len(word) > 2 and plain not in _NOT_SUFFIX and is_unit(word) else ""


def item_before(text: str, start: int) -> str | None:
    """Return what an "or" puts in front of a place as an alternative."""
    before = _OR_BEFORE.search(text[max(0, start - NEAR) : start])
    # "x = 1/5, or 20%" says it again
    return before["item"] if before and not before["item"].endswith((",", ".", ":")) else None


def item_after(text: str, end: int) -> str | None:
    """Return what an "or" puts behind a place as an alternative."""
    after = _OR_AFTER.match(text[end : end + 2 * NEAR])
    return after["item"].strip(" .$)*") if after else None


def is_joint(gap: str) -> bool:
    """True if what stands between two places makes them a list or alternatives, and no correction."""
    if len(gap) > NEAR:
        return False
    if _SIDE_BY_SIDE.fullmatch(gap):
        return True
    joined = _JOINED.fullmatch(gap)
    return bool(joined and not _CORRECTED.search(joined["rest"]))
