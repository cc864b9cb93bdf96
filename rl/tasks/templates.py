"""From a record to the text that the policy sees: the prompt template, then the tokenizer's chat template if it is a chat."""

import copy
from typing import Protocol

from jinja2 import TemplateError

from rl.tasks.base import Tokenizer
from rl.tasks.records import Messages, Record


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
        """Around string prompts."""
        ...


class PromptTemplate:
    """Renders records by the ``chat``, ``system_prompt`` and ``prompt_template`` of a section, ``task`` unless told."""

    def __init__(self, config: TemplateConfig, tokenizer: Tokenizer, *, section: str = "task") -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._section = section

    def is_chat(self, record: Record) -> bool:
        """True if the record goes through the chat template."""
        return self._config.chat or not isinstance(record.prompt, str)

    def render(self, record: Record) -> str:
        """The text to tokenise.

        Raises:
            ValueError: A chat without a chat template, a template that refuses the messages, a setting that cannot apply.
        """
        config, where = self._config, record.where
        if isinstance(record.prompt, str):
            # Not str.format: problems are full of braces.
            text = config.prompt_template.replace("{prompt}", record.prompt)
            if config.chat:
                return self._render_chat([{"role": "user", "content": text}], where)
            if config.system_prompt is not None:
                own = self._section
                raise ValueError(f"{where}: {own}.system_prompt needs a chat, but this prompt is plain text; set {own}.chat=true")
            return text
        if config.prompt_template != "{prompt}":
            raise ValueError(
                f"{where}: {self._section}.prompt_template is for string prompts, but this one is a chat; leave it at its default"
            )
        return self._render_chat(copy.deepcopy(record.prompt), where)

    def _render_chat(self, messages: Messages, where: str) -> str:
        if not self._tokenizer.chat_template:
            own = self._section
            fix = f"use an instruct model's tokenizer, or string prompts with {own}.chat=false and {own}.prompt_template"
            raise ValueError(f"{where}: the prompt is a chat, but the tokenizer has no chat template; {fix}")
        if self._config.system_prompt is not None and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": self._config.system_prompt}, *messages]
        try:
            return self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise ValueError(f"{where}: the tokenizer's chat template refuses these messages: {error}") from error
