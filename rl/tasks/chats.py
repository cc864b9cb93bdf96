"""Chats as rows and requests bring them, checked, and as the text that the policy continues."""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError

from rl.tasks.base import Tokenizer

Messages = list[dict[str, Any]]
GIVEN = ("system", "developer", "user")
"""Roles whose words are part of the problem."""


def read_messages(value: Sequence[Any]) -> Messages:
    """Messages with their content as one text.

    Content is a text or a list of ``{type: text, text}`` parts, as in a request to ``t2rl serve``; only a
    message with tool calls may have none. Keys that hold null are absent.

    Raises:
        ValueError: A message is something else; says which, and what to do.
    """
    return [_message(message, number) for number, message in enumerate(value, start=1)]


def _message(message: Any, number: int) -> dict[str, Any]:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        raise ValueError(f"a chat message must be {{role, content}}, this one is {message!r:.80}")
    kept = {name: value for name, value in message.items() if value is not None}
    if "content" not in kept and kept.get("tool_calls"):
        return {**kept, "content": ""}
    return {**kept, "content": _content(kept.get("content"), f"message {number} ({kept['role']})")}


def _content(content: Any, which: str) -> str:
    if content is None:
        raise ValueError(
            f"{which} has no content; a chat message must be {{role, content}}, so fill it or remove the"
            " message"
        )
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ValueError(
            f"{which} has a {type(content).__name__} as content; give a text, or a list of {{type: text,"
            " text} parts"
        )
    for part in content:
        if (
            not isinstance(part, Mapping)
            or part.get("type") != "text"
            or not isinstance(part.get("text"), str)
        ):
            raise ValueError(
                f"{which} has the part {part!r:.60}; only parts {{type: text, text}} can be read"
            )
    return "".join(part["text"] for part in content)


def render_chat(tokenizer: Tokenizer, messages: Messages, *, continue_final: bool) -> str:
    """The text of a chat up to where the policy speaks, by the tokenizer's chat template.

    Args:
        tokenizer: The policy's; it has a chat template.
        messages: Of :func:`read_messages`.
        continue_final: A final message of the assistant is continued: its turn stays open.

    Raises:
        ValueError: The chat ends with the assistant's turn and is not to be continued, or the template
            refuses it or leaves something out.
    """
    ends_with_answer = messages[-1]["role"] == "assistant"
    if ends_with_answer and not continue_final:
        raise ValueError(
            "the chat ends with a message of the assistant, behind which there is nothing left to answer"
        )
    # A template says nothing about what it leaves out.
    if any(message.get("tool_calls") for message in messages) and "tool_calls" not in str(
        tokenizer.chat_template
    ):
        raise ValueError(
            "a message has tool_calls, which the tokenizer's chat template leaves out; remove them, or use"
            " another template"
        )
    text = _apply(tokenizer, messages, continue_final=ends_with_answer)
    for number, message in enumerate(messages, start=1):
        if message["role"] in GIVEN and message["content"].strip() not in text:
            raise ValueError(
                f"the tokenizer's chat template leaves out message {number} ({message['role']}); give it"
                " another role"
            )
    return text


def _apply(tokenizer: Tokenizer, messages: Messages, *, continue_final: bool) -> str:
    how = {"continue_final_message": True} if continue_final else {}
    try:
        return str(
            tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=not continue_final, **how
            )
        )
    except (TemplateError, TypeError, ValueError) as error:
        raise ValueError(f"the tokenizer's chat template refuses these messages: {error}") from error
