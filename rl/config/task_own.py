"""The section of a task of your own."""

from typing import Any, Literal

from pydantic import Field

from rl.config.base import Section


class OwnTaskConfig(Section):
    """Prompts from your own code."""

    kind: Literal["own"] = "own"
    """Prompts from your own code."""
    code: str
    """``path/to/file.py:attr`` or ``pkg.module:attr``, called as ``(tokenizer, max_prompt_tokens=...,
    **args)``; what it gives is a ``rl.tasks.base.Task``."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Its further arguments by name."""
    allow_overlap: bool = False
    """Start although held-out prompts are in train, word for word."""
    thinking_tags: tuple[str, str] | None = None
    """Tags that open and close a thinking where the task itself is not built (``t2rl serve``); None = by the
    tokenizer."""
