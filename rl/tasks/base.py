"""The task protocol: where prompts come from and which reward judges them."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from rollout.types import Prompt

Split = Literal["train", "dev", "test"]


class Task(Protocol):
    """A source of prompts in three disjoint splits."""

    name: str
    """In logs and tables."""
    reward_name: str
    """For ``rewards.build_reward``."""
    reward_args: dict[str, Any]
    """Keyword arguments of the reward."""
    thinking_tags: tuple[str, str]
    """Tags that open and close a thinking, in every prompt."""

    def load(self, split: Split, limit: int | None = None) -> list[Prompt]:
        """Prompts of one split: always the same ones in the same order, a shorter list being the start of a
        longer one.

        Raises:
            ValueError: The data is wrong; the message says where and what to do.
        """
        ...


class Tokenizer(Protocol):
    """The methods of a transformers tokenizer that a task needs."""

    chat_template: Any

    def __call__(self, text: Sequence[str], *, add_special_tokens: bool = True) -> Mapping[str, Any]:
        """``input_ids``: one list of token ids per text."""
        ...

    def apply_chat_template(
        self,
        conversation: Any,
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        continue_final_message: bool = False,
    ) -> Any:
        """The text of a chat, up to where the assistant speaks, or goes on."""
        ...
