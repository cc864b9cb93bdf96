"""From a record to the text that the policy sees: the prompt template, then the tokenizer's chat template if
it is a chat."""

from collections.abc import Callable, Sequence
from typing import Protocol

from rl.tasks.base import Tokenizer
from rl.tasks.chats import Messages, render_chat
from rl.tasks.records import Record

SETTING = ("system", "developer")
"""Roles that speak before the first question."""


def worked_answer(record: Record) -> str:
    """How an example is answered: its demonstration, else its answer."""
    return str(record.metadata.get("demonstration", record.answer))


class TemplateConfig(Protocol):
    """A section with these fields."""

    @property
    def chat(self) -> bool:
        """String prompts are user messages."""
        ...

    @property
    def system_prompt(self) -> str | None:
        """First message of every chat that has none of its own."""
        ...

    @property
    def prompt_template(self) -> str:
        """Around string prompts, and around the last user message of a chat."""
        ...

    @property
    def continue_final_message(self) -> bool:
        """A chat that ends with the assistant's message is continued there."""
        ...


class PromptTemplate:
    """Renders records by the ``chat``, ``system_prompt`` and ``prompt_template`` of a section, ``task``
    unless told."""

    def __init__(
        self,
        config: TemplateConfig,
        tokenizer: Tokenizer,
        *,
        section: str = "task",
        worked: Callable[[Record], str] = worked_answer,
    ) -> None:
        """``worked``: how an example is answered, with what stands between a text and its answer."""
        self._config, self._worked_answer = config, worked
        self._tokenizer = tokenizer
        self._section = section
        self._separator = getattr(config, "shot_separator", "")

    def is_chat(self, record: Record) -> bool:
        """True if the record goes through the chat template."""
        return self._config.chat or not isinstance(record.prompt, str)

    def render(self, record: Record, shots: Sequence[Record] = ()) -> str:
        """The text to tokenise.

        Args:
            record: The prompt.
            shots: Worked examples to put in front, of its own kind (text or chat).

        Raises:
            ValueError: A chat without a chat template, a template that refuses the messages, a setting that
                cannot apply.
        """
        config, where = self._config, record.where
        if isinstance(record.prompt, str):
            text = self._filled(record.prompt)
            if config.chat:
                asked_before = [turn for shot in shots for turn in self._worked(shot)]
                return self._render_chat([*asked_before, {"role": "user", "content": text}], where)
            if config.system_prompt is not None:
                own = self._section
                raise ValueError(
                    f"{where}: {own}.system_prompt needs a chat, but this prompt is plain text; set"
                    f" {own}.chat=true"
                )
            worked = [f"{self._filled(str(shot.prompt))}{self._worked_answer(shot)}" for shot in shots]
            return self._separator.join([*worked, text])
        asked = max((i for i, message in enumerate(record.prompt) if message["role"] == "user"), default=None)
        if asked is None and config.prompt_template != "{prompt}":
            raise ValueError(
                f"{where}: {self._section}.prompt_template goes around the last user message, but this chat"
                " has none"
            )
        messages = [
            {**m, "content": self._filled(m["content"])} if i == asked else dict(m)
            for i, m in enumerate(record.prompt)
        ]
        begins = next((i for i, m in enumerate(messages) if m["role"] not in SETTING), len(messages))
        turns = [turn for shot in shots for turn in self._worked(shot)]
        return self._render_chat([*messages[:begins], *turns, *messages[begins:]], where)

    def _worked(self, shot: Record) -> Messages:
        """The turns of an example, without a setting of its own."""
        asked: Messages = (
            [{"role": "user", "content": self._filled(shot.prompt)}]
            if isinstance(shot.prompt, str)
            else [dict(m) for m in shot.prompt if m["role"] not in SETTING]
        )
        return [*asked, {"role": "assistant", "content": self._worked_answer(shot)}]

    def _filled(self, text: str) -> str:
        """Not by str.format: problems are full of braces."""
        return self._config.prompt_template.replace("{prompt}", text)

    def _render_chat(self, messages: Messages, where: str) -> str:
        if not self._tokenizer.chat_template:
            own = self._section
            fix = (
                f"use an instruct model's tokenizer, or string prompts with {own}.chat=false and"
                f" {own}.prompt_template"
            )
            raise ValueError(f"{where}: the prompt is a chat, but the tokenizer has no chat template; {fix}")
        if self._config.system_prompt is not None and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": self._config.system_prompt}, *messages]
        if messages[-1]["role"] == "assistant" and not self._config.continue_final_message:
            raise ValueError(
                f"{where}: the chat ends with a message of the assistant. If that is the answer, remove it"
                " from this column; if the policy is to go on from it, set"
                f" {self._section}.continue_final_message=true"
            )
        try:
            return render_chat(self._tokenizer, messages, continue_final=self._config.continue_final_message)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
