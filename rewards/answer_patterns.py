r"""What numbers, formulas and words look like in a model's prose. Every pattern takes time linear in the text."""

import re

NUMBER = re.compile(
    r"(?<![A-Za-z\d.])(?:(?<![\d)\]}])[-−+])?[$€£¥]?"
    r"(?:\d++(?:,\d{3}(?!\d))*+(?:\.\d++)?+(?:_\{?\d{1,2}\}?)?+(?:[eE][-+]?\d++)?+(?:\s{0,3}/\s{0,3}\d++(?!\.?\d))?+|\.\d++)(?:\s?\\?%)?"
)
FORMULA = re.compile(
    r"\$\$((?:[^$\\]|\\.)++)\$\$|(?<!\\)\$((?:[^$\\\n]|\\.)++)\$(?!\d)"
    r"|\\\(((?:[^\\\n]|\\[^()\[\]\n])++)\\\)|\\\[((?:[^\\]|\\[^()\[\]])++)\\\]",
    re.DOTALL,
)
"""Display formulas may span lines, inline ones may not; ``$5 and $6`` is money."""
RAW = re.compile(
    r"[-−]?\d{0,20}(?:\\[dtc]?frac\s?\{[^{}\n]{1,40}\}\s?\{[^{}\n]{1,40}\}|\\sqrt(?:\{[^{}\n]{1,40}\}|\s?\d)|\\pi(?![a-z]))(?:\s?\\pi(?![a-z]))?"
)
"""A fraction or root of LaTeX without maths delimiters."""
DELIMITER = re.compile(r"\d|\$|\\[()\[\]]")
"""What a line that may hold an answer has at least one of."""
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s{0,3}\{[^{}\n]{0,40}\}")
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
NEGATION = re.compile(
    r"(?:\bnot|\bnever|n['’]t)\s+(?:(?:be|the|equal(?: to)?)\s+)?[$(\[{\\\s]{0,4}(?:[a-z]\s?=\s?)?[$(\[{\\]{0,3}$", re.IGNORECASE
)
COMPARISON = re.compile(
    r"\b(?:(?:more|less|fewer|greater|larger|smaller|other|different)\s+than|at\s+(?:least|most))\s{0,4}\$?$", re.I
)
PERHAPS = r"(?:maybe|perhaps|possibly|even|also|else|rather|about|approximately|around|it|is|was|could|might|may|be|otherwise)"


def has_words(text: str) -> bool:
    """True if there is prose in it; the names of LaTeX commands and environments are none."""
    return bool(WORD.search(_ENVIRONMENT.sub("", text)))


def content(formula: re.Match[str]) -> str:
    """What stands between the delimiters of a :data:`FORMULA`."""
    return next(group for group in formula.groups() if group is not None).strip()
