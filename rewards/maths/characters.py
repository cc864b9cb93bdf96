r"""One spelling for what can be written in many: Unicode characters, commands that JSON damaged, marks of
Markdown.

After :func:`plain_characters` a text has ``\sqrt{2}`` for ``√2``, ``x^{2}`` for ``x²`` and ``-`` for every
minus sign.
"""

import re

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₍₎", "0123456789+-()")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋₍₎]+")
_FRACTIONS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5),
    "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅐": (1, 7), "⅑": (1, 9),
    "⅒": (1, 10),
}  # fmt: skip
_ROOT = re.compile(r"([√∛∜])\s?(?:\(([^()]{1,100})\)|\{([^{}]{1,100})\}|(\d{1,40}(?:\.\d{1,40})?|[A-Za-zπ]))")
_ROOTS = {"√": r"\sqrt", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]"}
_ASCII_ROOT = re.compile(r"(?<![\\A-Za-z])sqrt\s?(?:\(([^()]{1,100})\)|\{([^{}]{1,100})\}|(?=\d)(\d{1,40}))")
_ASCII_PI = re.compile(r"(?<![\\A-Za-z])pi(?![A-Za-z])")
_RANGE_DASH = re.compile(r"(?<![\d)\]}])\s?[–—‒](?=\s?[\d.\\({])|(?<=[A-Za-z}\]])\s?[–‒]\s?(?=[\dA-Za-z\\(])")
_COMMAND = {
    "×": r"\times ", "÷": r"\div ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ",
    "∞": r"\infty ", "π": r"\pi ",
    "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≠": r"\neq ", "≈": r"\approx ", "±": r"\pm ",
    "∓": r"\mp ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "Ø": r"\emptyset ", "α": r"\alpha ",
    "β": r"\beta ",
    "γ": r"\gamma ", "δ": r"\delta ", "θ": r"\theta ", "λ": r"\lambda ", "μ": r"\mu ", "φ": r"\phi ",
    "ω": r"\omega ",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "∨": r"\lor ", "∖": r"\setminus ", "∣": "|",
}  # fmt: skip
_SIMPLE = {
    "−": "-", "﹣": "-", "－": "-", "‐": "-", "‑": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "…": "...",
    "℃": "°C", "℉": "°F",
    "∕": "/", "⁄": "/", "％": "%", "＝": "=", "＋": "+", "（": "(", "）": ")", "，": ",", "．": ".",
    "：": ":",     "￡": "£", "￥": "¥", "＄": "$",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u2007": " ", "\u2002": " ", "\u2003": " ",
    "\u200b": "", "\u200e": "", "\ufeff": "",
    "º": "°", "˚": "°", "′": "'", "＞": ">", "＜": "<",
}  # fmt: skip
_TABLE = str.maketrans({**_SIMPLE, **_COMMAND, **{chr(0xFF10 + digit): str(digit) for digit in range(10)}})

_DAMAGED = re.compile(
    r"\f(?=rac|box)|\x08(?=oxed|inom|egin|ar\b|eta\b)|\t(?=imes(?![a-z])|frac|heta(?![a-z])"
    r"|ext\{[^{}\d]|extbf\{|riangle)"
    r"|\x0b(?=arnothing|ec(?![a-z]))|\x07(?=lpha(?![a-z])|pprox)|\r(?=ight(?![a-z])|angle|m\{)"
)
_LETTERS = {"\f": "f", "\x08": "b", "\t": "t", "\x0b": "v", "\x07": "a", "\r": "r"}
_MARKS = re.compile(r"\*\*|(?<![A-Za-z0-9_}])__(?=\S)|(?<=[^\s_])__(?![A-Za-z0-9_{])|`+")


def repaired(text: str) -> str:
    r"""With the backslashes that an unescaped JSON string cost: a form feed before "rac" was ``\frac``."""
    return _DAMAGED.sub(lambda match: "\\" + _LETTERS[match[0]], text)


def unmarked(text: str) -> str:
    """Without Markdown's marks for bold text and code."""
    return _MARKS.sub("", text)


def plain_characters(text: str) -> str:
    """LaTeX and ASCII for Unicode's mathematical characters; every minus sign is a hyphen, a dash between
    digits is none."""
    if "sqrt" in text:
        text = _ASCII_ROOT.sub(lambda match: rf"\sqrt{{{match[1] or match[2] or match[3]}}}", text)
    text = text.replace("{:}", ":")
    if "pi" in text:
        text = _ASCII_PI.sub(r"\\pi", text)
    if text.isascii():
        return text
    text = _ROOT.sub(lambda match: rf"{_ROOTS[match[1]]}{{{match[2] or match[3] or match[4]}}}", text)
    text = _RANGE_DASH.sub("-", text)
    text = _RAISED.sub(lambda match: f"^{{{match[0].translate(_SUPERSCRIPTS)}}}", text)
    text = _LOWERED.sub(lambda match: f"_{{{match[0].translate(_SUBSCRIPTS)}}}", text)
    for character, (over, under) in _FRACTIONS.items():
        if character in text:
            text = text.replace(character, rf"\frac{{{over}}}{{{under}}}")
    return text.translate(_TABLE)
