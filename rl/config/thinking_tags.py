"""Which tags a policy thinks between: the task's setting, else what its tokenizer has tokens for."""

from typing import Any, Protocol

DEFAULT = ("<think>", "</think>")
KNOWN = (
    DEFAULT,
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<thinking>", "</thinking>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("◁think▷", "◁/think▷"),
)
"""Pairs that published tokenizers have tokens for."""


class HasThinkingTags(Protocol):
    """A task section."""

    @property
    def thinking_tags(self) -> tuple[str, str] | None:
        """Return the tags that open and close a thinking; None = by the tokenizer."""
        ...


def thinking_tags_of(section: HasThinkingTags, tokenizer: Any) -> tuple[str, str]:
    """The configured pair; else the one known pair that the tokenizer has added tokens for; else ``<think>``
    and ``</think>``."""
    if section.thinking_tags is not None:
        return section.thinking_tags
    added = tokenizer.get_added_vocab() if hasattr(tokenizer, "get_added_vocab") else {}
    found = [pair for pair in KNOWN if all(tag in added for tag in pair)]
    return found[0] if len(found) == 1 else DEFAULT


def check_tags(tags: tuple[str, str] | None) -> tuple[str, str] | None:
    """The tags, if they can be told apart.

    Raises:
        ValueError: One is empty, or both are the same.
    """
    if tags is not None and (not all(tag.strip() for tag in tags) or tags[0] == tags[1]):
        raise ValueError(
            f"task.thinking_tags is {list(tags)}: give two different texts, such as ['<think>', '</think>']"
        )
    return tags
