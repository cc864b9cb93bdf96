"""Maths answers: extraction, exact numbers, and math-verify for everything symbolic."""

import logging
from functools import lru_cache

from rewards.accepted import accepted_answers
from rewards.golds import boxed, committed, in_words
from rewards.maths.compare import Rules, same_answer
from rewards.maths.extract import EXTRACTIONS, Extraction, extract_from, extract_reference
from rewards.maths.numbers import PRECISION
from rewards.thinking import after_thinking
from rollout.types import Prompt, RewardResult

MAX_ANSWER = 500
"""Characters; a longer answer is not parsed."""
MAX_PRECISION = 12


class MathReward:
    r"""1 if the completion's last committed answer equals the reference, as a number or by math-verify.

    Any of ``metadata.answers`` is right, where a prompt has several.

    Committed: ``\boxed{...}``, ``#### ...``, ``<answer>...</answer>``. Else "the answer is ..." or the last
    number or formula counts, unless the completion was truncated. The reference may itself be boxed, or a
    solution that ends in ``#### N`` or ``A: N``. Several answers where one is asked are wrong, unless they
    are all the same.

    Args:
        extraction: ``lenient`` as above; ``latex``: commitments, else the last formula; ``strict``:
            commitments only; ``boxed``: boxes only.
        precision: Decimals to which numbers that are not both integers must agree, absolutely and relatively;
            1 to 12.
        relations_for_sets: Accept a chain of inequalities where the reference is a set or an interval.
        plain_numbers: Where the reference is a plain number the answer must be one, so that a problem's own
            "6 * 7" is not 42.
    """

    def __init__(
        self,
        *,
        extraction: Extraction = "lenient",
        precision: int = PRECISION,
        relations_for_sets: bool = False,
        plain_numbers: bool = False,
    ) -> None:
        if extraction not in EXTRACTIONS:
            raise ValueError(f"reward_args.extraction is {extraction!r}; use one of {', '.join(EXTRACTIONS)}")
        if (
            isinstance(precision, bool)
            or not isinstance(precision, int)
            or not 1 <= precision <= MAX_PRECISION
        ):
            raise ValueError(
                f"reward_args.precision is {precision!r}; use a whole number of decimals from 1 to"
                f" {MAX_PRECISION}"
            )
        self._extraction: Extraction = extraction
        self._rules = Rules(
            precision=precision, relations_for_sets=relations_for_sets, plain_numbers=plain_numbers
        )
        # It warns that its signal-based timeouts are off: on purpose, since the pool kills a process that
        # hangs.
        logging.getLogger("math_verify").setLevel(logging.ERROR)

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        if not text.strip():
            return _wrong("empty")
        said = after_thinking(prompt, text)
        answer = extract_from(said, self._extraction)
        if answer is None and self._extraction in ("strict", "boxed") and not truncated:
            return _wrong("not committed" if extract_from(said, "lenient") else "no answer")
        if answer is None or not answer.text:
            return _wrong("truncated" if truncated else "no answer")
        if truncated and not (answer.committed and answer.closed):
            return _wrong("truncated")
        if len(answer.text) > MAX_ANSWER:
            return _wrong("answer too long")
        references = map(reference, accepted_answers(prompt))
        if any(same_answer(one, answer.text, self._rules) for one in references):
            return RewardResult(value=1.0, correct=True)
        return _wrong("wrong")

    def gold_texts(self, prompt: Prompt) -> list[str]:
        """The reference in the forms that the extraction reads."""
        answer = reference(prompt.answer)
        return {"boxed": [boxed(answer)], "strict": committed(answer)}.get(self._extraction, in_words(answer))


@lru_cache(maxsize=1024)
def reference(answer: str) -> str:
    """:func:`~rewards.maths.extract.extract_reference`, remembered: a group asks for the same one many
    times."""
    return extract_reference(answer)


def _wrong(reason: str) -> RewardResult:
    return RewardResult(value=0.0, correct=False, reason=reason)


FAMILIAR = (
    (r"\frac{\sqrt{x}}{2}", r"\sqrt{x} / 2"),
    (r"\sqrt{12}", r"2 \cdot \sqrt{3}"),
    (r"2x + 3y - 1", r"-1 + 2x + 3y"),
    (r"x^2 - 4", r"(x - 2)(x + 2)"),
    (r"\frac{\pi}{4}", r"\pi / 4"),
    (r"2^{10} \times 3", r"3 \times 2^{10}"),
    (r"(1, 2]", r"1 < x \le 2"),
    (r"(3, -4)", r"(3, 4)"),
    (r"\{1, 2\}", r"\{2, 1\}"),
    (r"[0, \infty)", r"(-\infty, 1) \cup (2, 3)"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{pmatrix} 1 & 2 \\ 3 & 5 \end{pmatrix}"),
    (r"\sin(x) + \cos x", r"\log_2 8 + \ln x"),
    (r"y = 2x + 1", r"2x - y = -1"),
    (r"3 + 4i", r"|x - 1|"),
    (r"\binom{5}{2}", r"5!"),
    (r"1234", r"617 \cdot 2"),
    (r"1234", r"1234x"),
)
"""Answers of every usual kind: the LaTeX parser learns a grammar's rules as it meets them, tens of
milliseconds for each."""


def preload() -> None:
    """Have the parser meet the usual kinds of answers, for processes that others are forked from."""
    reward = MathReward()
    for gold, given in FAMILIAR:
        reward(Prompt(id="", text="", token_ids=(), answer=gold), rf"\boxed{{{given}}}", truncated=False)


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    prompt = Prompt(id="example", text="Half of 3?", token_ids=(), answer=r"\frac{3}{2}")
    return prompt, r"Half of 3 is 3/2, so the answer is \boxed{1.5}."
