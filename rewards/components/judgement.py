"""Judging a worked solution: right and concise, right and long-winded, or wrong (DRQA, arXiv 2508.17803)."""

from collections.abc import Sequence

from rewards.components.multiple_choice import chosen
from rewards.golds import in_words
from rewards.verdicts import wrong
from rollout.types import Prompt, RewardResult

LABELS = ("A", "B", "C")


class JudgementReward:
    """1 if the policy gives a solution the right label: right but not concise (A), right and concise (B),
    wrong (C).

    The task of DRQA: trained to tell the three apart, the policy is said to become concise itself.
    Components: ``correctness`` (it saw whether the solution is right) and ``conciseness`` (of a right
    solution, it saw whether it is concise).

    Args:
        labels: For long-winded, concise, wrong. The paper's own letters are not certain, so they are an
            argument.
        partial: Value of a wrong label that still has the correctness right; the paper's is 0.

    Raises:
        ValueError: Not three different labels, or ``partial`` not in [0, 1).
    """

    def __init__(self, *, labels: Sequence[str] = LABELS, partial: float = 0.0) -> None:
        if len(labels) != 3 or len(set(labels)) != 3:
            raise ValueError(
                f"labels: {list(labels)} must be three different ones: long-winded, concise, wrong"
            )
        if not 0 <= partial < 1:
            raise ValueError(f"partial: {partial} must be in [0, 1), so that the right label is worth most")
        self._labels, self._partial = tuple(labels), partial

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if the reference answer is no label."""
        if prompt.answer.strip() not in self._labels:
            raise ValueError(
                f"prompt {prompt.id}: answer {prompt.answer!r} is none of the labels {list(self._labels)}"
            )

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text."""
        self.check(prompt)
        given = chosen(prompt, text, self._labels)
        if given is None or truncated:
            return wrong("empty" if not text.strip() else "truncated" if truncated else "no label")
        gold, bad = prompt.answer.strip(), self._labels[2]
        sees_right = (given == bad) == (gold == bad)
        parts = {"correctness": float(sees_right)} | (
            {} if gold == bad else {"conciseness": float(given == gold)}
        )
        if given == gold:
            return RewardResult(value=1.0, correct=True, components=parts)
        return wrong("wrong", self._partial if sees_right else 0.0, parts)

    def gold_texts(self, prompt: Prompt) -> list[str]:
        """The reference label, as it is usually given."""
        return in_words(prompt.answer.strip())


def label_of(*, correct: bool, concise: bool, labels: Sequence[str] = LABELS) -> str:
    """The label of a worked solution. DRQA takes solutions sampled in pairs from one prompt as concise,
    others as not."""
    return labels[2] if not correct else labels[1] if concise else labels[0]


def judgement_prompt(question: str, solution: str, *, labels: Sequence[str] = LABELS) -> str:
    """The question put to the policy, for building a data set of ``prompt`` and ``answer`` (= ``label_of``)
    rows."""
    long, concise, bad = labels
    return (
        f"Question:\n{question}\n\nA worked solution:\n{solution}\n\nJudge the solution: {long} if it is"
        f" right but longer than it needs to be, {concise} if it is right and concise, {bad} if it is wrong."
        " End with the letter in \\boxed{}."
    )


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    text = judgement_prompt("2 + 2?", "2 + 2 = 4")
    return Prompt(id="example", text=text, token_ids=(), answer="B"), "One line, and right: \\boxed{B}"
