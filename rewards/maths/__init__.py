r"""Maths answers, in three stages.

EXTRACT (:mod:`~rewards.maths.extract`): the one answer that a completion commits itself to. READ
(:mod:`~rewards.maths.numbers`, :mod:`~rewards.maths.values`, :mod:`~rewards.maths.prose`, ...): what kind of
thing that text is, every word of it understood. COMPARE (:mod:`~rewards.maths.compare`): the same thing as
the reference? Exact arithmetic first, then math-verify inside a fence.
"""

from rewards.maths.compare import Rules, same_answer
from rewards.maths.extract import EXTRACTIONS, Answer, Extraction, extract_answer, extract_reference
from rewards.maths.reward import MAX_ANSWER, MathReward, example, preload, reference

__all__ = [
    "EXTRACTIONS",
    "MAX_ANSWER",
    "Answer",
    "Extraction",
    "MathReward",
    "Rules",
    "example",
    "extract_answer",
    "extract_reference",
    "preload",
    "reference",
    "same_answer",
]
