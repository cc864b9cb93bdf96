"""Instruction following: a completion is right if every instruction of its prompt holds."""

from collections.abc import Callable

from rewards.ifeval.instructions import read_instructions
from rewards.thinking import after_thinking
from rollout.types import Prompt, RewardResult

MODES = ("strict", "loose")


class IFEvalReward:
    """1 if every IFEval or IFBench instruction of the prompt is followed.

    ``Prompt.metadata`` names them: ``instruction_id_list`` [I] and ``kwargs`` [I], mappings of arguments by
    their published names. Components are 1 or 0 for each instruction, under its id (``id#2`` for a second one
    of the same kind). What follows the thinking is judged. A truncated completion is wrong, and so is one
    without a single letter or digit: most constraints hold of nothing.

    Args:
        mode: ``strict`` judges the text as it is. ``loose`` accepts an instruction if it holds of the text,
            or of the text without its first line, last line or both, or of any of these without asterisks
            (Zhou et al., 2023, section 2.2).
        partial: Give the share of instructions that hold as value; ``correct`` still asks for all of them.
    """

    def __init__(self, *, mode: str = "strict", partial: bool = False) -> None:
        if mode not in MODES:
            raise ValueError(f"mode: {mode!r} is unknown; use one of {list(MODES)}")
        self._loose, self._partial = mode == "loose", partial

    def check(self, prompt: Prompt) -> None:
        """Raise ``ValueError`` if the metadata name an unknown instruction, or arguments that it does not
        take."""
        read_instructions(prompt.metadata)

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Judge one completion text.

        Raises:
            ValueError: The metadata name an unknown instruction, or arguments that it does not take.
        """
        instructions = read_instructions(prompt.metadata)
        said = after_thinking(prompt, text)
        if truncated or not any(map(str.isalnum, said)):
            empty = "no answer" if any(map(str.isalnum, text)) else "empty"
            return RewardResult(value=0.0, correct=False, reason="truncated" if truncated else empty)
        text = text if said == text else said.lstrip()
        held = [holds(check, text, loose=self._loose) for _, check in instructions]
        names = _distinct([name for name, _ in instructions])
        value = sum(held) / len(held) if self._partial else float(all(held))
        missed = [name for name, holds_here in zip(names, held, strict=True) if not holds_here]
        return RewardResult(
            value=value,
            correct=all(held),
            components=dict(zip(names, map(float, held), strict=True)),
            reason="not followed: " + ", ".join(missed) if missed else "",
        )


def holds(check: Callable[[str], bool], text: str, *, loose: bool) -> bool:
    """Whether an instruction holds of the text; of any of its variants if ``loose``."""
    return any(candidate.strip() and check(candidate) for candidate in (variants(text) if loose else [text]))


def variants(text: str) -> list[str]:
    """The text, and what is left without its first line, its last and both; then all four without
    asterisks."""
    lines = text.split("\n")
    cut = [text, *("\n".join(kept).strip() for kept in (lines[1:], lines[:-1], lines[1:-1]))]
    return list(dict.fromkeys([*cut, *(candidate.replace("*", "") for candidate in cut)]))


def _distinct(names: list[str]) -> list[str]:
    """Names with ``#2``, ``#3``, ... behind repeated ones."""
    return [
        name if (nth := names[: i + 1].count(name)) == 1 else f"{name}#{nth}" for i, name in enumerate(names)
    ]


def example() -> tuple[Prompt, str]:
    """A prompt and a text that scores 1."""
    metadata = {
        "instruction_id_list": [
            "detectable_format:title",
            "length_constraints:number_words",
            "startend:end_checker",
        ],
        "kwargs": [{}, {"relation": "less than", "num_words": 20}, {"end_phrase": "The end."}],
    }
    prompt = Prompt(
        id="example",
        text="A story in under 20 words, with a title.",
        token_ids=(),
        answer="",
        metadata=metadata,
    )
    return prompt, "<<Rain>>\nIt rained, and then it stopped. The end."
