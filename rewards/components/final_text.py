"""What a completion finally says: without its thinking, and inside its answer tags if it has any."""

import re

_ANSWER = re.compile(r"<answer>((?:(?!</?answer>).)*)</answer>", re.DOTALL | re.IGNORECASE)


def after_thinking(text: str) -> str:
    """What follows the last ``</think>``; nothing if the thinking never ends."""
    _, end, after = text.rpartition("</think>")
    if end:
        return after
    return "" if "<think>" in text else text


def final_text(text: str) -> str:
    """The inside of the last ``<answer>...</answer>`` after the thinking, or all that follows the thinking; stripped.

    Example: ``"<think>5?</think> So <answer> 4 </answer>"`` gives ``"4"``.
    """
    rest = after_thinking(text)
    blocks = _ANSWER.findall(rest)
    return (blocks[-1] if blocks else rest).strip()
