"""Where a completion stops thinking and begins to answer.

A thinking ends with its closing tag. The opening tag may stand in the completion, or at the end of the
prompt, where many chat templates put it. What a policy writes while it thinks is never an answer, however
final it looks.
"""

from rollout.types import Prompt


def opened_by(prompt: Prompt) -> bool:
    """True if the prompt's text leaves a thinking open: the completion then begins inside it.

    A tag opens something where a template puts it: at the end, at the start of a line, or right after another
    tag. One that a sentence speaks of ("think in <think> tags") opens nothing.
    """
    opening, closing = prompt.thinking_tags
    _, opens, after = prompt.text.rpartition(opening)
    before = prompt.text[: len(prompt.text) - len(after) - len(opening)]
    placed = not after.strip() or not before or before.endswith(("\n", ">", "]"))
    return bool(opens) and placed and closing not in after


def after_thinking(prompt: Prompt, text: str) -> str:
    """Return what follows the last thinking of a completion; nothing if that thinking never ends, the whole
    text if there is none.

    Example: after a prompt that ends in ``<think>``, ``"3? No."`` gives ``""`` and ``"3? No.</think> 4"``
    gives ``" 4"``.
    """
    opening, closing = prompt.thinking_tags
    _, closed, rest = text.rpartition(closing)
    if opening in rest:  # opened and never closed, perhaps for a second time
        return ""
    return rest if closed or not opened_by(prompt) else ""
