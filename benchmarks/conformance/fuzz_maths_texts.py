r"""What ``fuzz_maths.py`` feeds to the maths reward: assembled, damaged and very long texts."""

import random
from collections.abc import Iterator

PIECES = (
    "\\boxed{", "\\fbox{", "}", "{", "#### ", "<answer>", "</answer>", "<think>", "</think>",
    "The answer is ", "Answer: ", "A: ",
    "$", "$$", "\\(", "\\)", "\\[", "\\]", "\\", "\\\\", "\n", " ", "  ", "\t", ",", ";", ".", "|", "=", "+",
    "-", "−", "*", "/",
    "^", "_", "%", "(", ")", "[", "]", "\\{", "\\}", "!", "?", ":", "<", ">", "&", "0", "1", "2", "7", "42",
    "1,000", "3.14",
    "10^{3}", "1e5", "-5", "°", "\\frac{1}{2}", "\\frac12", "\\dfrac{3}{4}", "\\sqrt{2}", "\\sqrt 2", "\\pi",
    "\\infty", "\\pm ",
    "\\cup ", "\\in ", "\\le ", "\\ge ", "\\neq ", "\\approx ", "\\cdot ", "\\times ", "\\text{ or }",
    "\\text{ and }",
    "\\text{cm}", "\\mathrm{e}", "\\textbf{(B)}", "\\left(", "\\right)", "\\begin{pmatrix}", "\\end{pmatrix}",
    "\\begin{cases}",
    "\\end{cases}", "\\int_0^1 ", "\\sum_{n=1}^{\\infty} ", "\\lim_{x\\to 0} ", "\\log_2 ", "\\sin ",
    "\\binom{5}{2}", "x", "y",
    "n", "a", "i", "e", "f(x)", "or", " or ", " and ", "not ", "maybe ", "meters", " cm", "dollars", "$5",
    "€", "50%", "1/2",
    "1 1/2", "(B)", "yes", "None", "nan", "inf", "__import__('os')", "\0", "\ud800", "é", "日本", "\u202e",
    "½",     "٣", "²", "→",
    "lambda: 0", "Symbol('x')", "1_000", "0x1F", "//", "**", "<|im_end|>", "</s>", "\r\n", "\x0b", "~", "\\,",
    "\\!", "\\quad ",
    "{,}",
)  # fmt: skip
REFERENCES = (
    "7", "42", "-5", "1/2", "\\frac{3}{56}", "3.14", "1,000", "50\\%", "x^2+1", "\\sqrt{2}", "(1,2)",
    "\\{1,2,3\\}",
    "[0,\\infty)", "2, 3", "x = 5", "y = 2x + 1", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
    "1 \\pm \\sqrt{19}", "B", "yes",
    "5 \\text{ cm}", "$10", "\\pi", "45^\\circ", "x \\in [-2,7]", "1101_2", "x < 3", "e^{x}", "i",
    "\\frac{x+2}{7}", "12:00", "",
)  # fmt: skip
_MEGABYTE = 1_000_000
LONG = (
    "\\boxed{" * 100_000, "\\boxed{" * 10_000 + "7" + "}" * 10_000, "{" * _MEGABYTE,
    "\\boxed{" + "{" * _MEGABYTE,
    "}" * _MEGABYTE, "7" * _MEGABYTE, "\\boxed{" + "7" * _MEGABYTE + "}", "7," * 500_000, "1,111," * 160_000,
    "<answer>" * 120_000, "<answer>7" * 100_000 + "</answer>", "<think>" * 140_000, "#### " * 200_000,
    "####a\n" * 160_000,
    "#### 1.\n" * 120_000, "$" * _MEGABYTE, "$$" + "x" * _MEGABYTE, "$x" * 500_000, "\\(" * 500_000,
    "\\[" * 500_000,
    "\\" * _MEGABYTE, " " * _MEGABYTE + "7", "\n" * _MEGABYTE + "7", "\\text{" * 160_000, "7 or " * 200_000,
    "\\boxed{7} or " * 80_000, "answer is " * 100_000, "not " * 250_000 + "7", "7 / " * 250_000,
    "7 " * 500_000, "-" * _MEGABYTE,
    "." * _MEGABYTE, "\\frac{" * 160_000, "\\frac{1}{2}" * 90_000, "=" * _MEGABYTE, "|" * _MEGABYTE,
    "e+" * 500_000,
    "<|im_end|>" * 100_000, "\0" * _MEGABYTE, "\\begin{" * 140_000, "a" * _MEGABYTE, "7a" * 500_000,
    "$7" * 500_000,
    "\\boxed{" + "(" * 490 + "}", "\\boxed{" + "7^" * 240 + "}", "\\boxed{" + "\\frac{" * 80 + "}" * 81,
    "\\boxed{" + "\\sqrt{" * 70 + "7" + "}" * 71,
)  # fmt: skip
"""A megabyte each, and the longest answers that are parsed."""
HANGS = (
    ("7", "\\boxed{\\int_0^1 \\sin(x^x)^{\\cos(x)} \\tan(\\ln(x^3+1)) dx}"),
    ("(x+y+z+w)^{90}", "\\boxed{(x+y+z+w)^{90} + 1}"),
    ("7", "\\boxed{\\sum_{n=1}^{99999999} \\sin(n^2)}"),
    ("x", "\\boxed{(a+b+c+d+e+f)^{99}(a-b+c-d+e-f)^{99}}"),
)  # fmt: skip
"""(reference, answer) that keep sympy busy for longer than a verdict may take, or once did."""


def texts(chance: random.Random, count: int) -> Iterator[str]:
    """``count`` texts: assembled of pieces, damaged answers, arbitrary characters; one in a thousand is
    long."""
    for number in range(count):
        kind = number % 10
        if number % 1000 == 999:
            unit = "".join(chance.choices(PIECES, k=chance.randrange(1, 4)))
            yield chance.choice(PIECES) + unit * chance.randrange(100, 10_000) + chance.choice(PIECES)
        elif kind < 6:
            yield "".join(chance.choices(PIECES, k=chance.randrange(1, 25)))
        elif kind < 9:
            yield _damaged(chance)
        else:
            yield "".join(map(chr, chance.choices(range(1, 0x2500), k=chance.randrange(1, 60))))


def _damaged(chance: random.Random) -> str:
    """A committed or spoken answer with a few edits."""
    frames = (
        "\\boxed{%s}",
        "so $\\boxed{%s}$.",
        "#### %s",
        "<answer>%s</answer>",
        "The answer is %s.",
        "Hence $%s$.",
        "%s",
        "It is %s or %s",
    )
    frame = chance.choice(frames)
    letters = list(frame.replace("%s", chance.choice(REFERENCES)))
    for _ in range(chance.randrange(4)):
        position = chance.randrange(len(letters) + 1)
        if chance.random() < 0.5:
            letters.insert(position, chance.choice(PIECES))
        elif letters:
            del letters[min(position, len(letters) - 1)]
    return "".join(letters)
