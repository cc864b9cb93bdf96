"""From a request to the token ids that the policy continues."""

from dataclasses import dataclass
from typing import Any

from rl.serve.errors import RequestError
from rl.serve.requests import ChatRequest, CompletionRequest
from rl.tasks.chats import render_chat
from rl.tasks.encoding import prompt_ids

MAX_PROMPTS = 256


@dataclass(frozen=True, slots=True)
class Encoder:
    """The policy's tokenizer, and its chat template for messages."""

    tokenizer: Any

    def encode(self, ask: CompletionRequest | ChatRequest) -> list[tuple[str, tuple[int, ...]]]:
        """Text and token ids of each prompt.

        Raises:
            RequestError: 400: no prompt, too many, ids outside the vocabulary, messages that the chat
                template refuses.
        """
        if isinstance(ask, ChatRequest):
            text = self._chat(ask)
            encoded = list(zip([text], prompt_ids(self.tokenizer, [text], from_template=True), strict=True))
        else:
            encoded = [self._completion(prompt) for prompt in _each(ask.prompt)]
        if not encoded or not all(ids for _, ids in encoded):
            raise RequestError(
                400, "prompt: there is nothing to continue; give at least one token", param="prompt"
            )
        return encoded

    def _completion(self, prompt: str | list[int]) -> tuple[str, tuple[int, ...]]:
        if isinstance(prompt, str):
            return prompt, prompt_ids(self.tokenizer, [prompt], from_template=False)[0]
        self._check_ids(prompt)
        return self.tokenizer.batch_decode([prompt])[0], tuple(prompt)

    def _chat(self, ask: ChatRequest) -> str:
        if not self.tokenizer.chat_template:
            fix = "use POST /v1/completions, or start the service with --chat-template FILE"
            raise RequestError(
                400, f"messages: this model's tokenizer has no chat template; {fix}", param="messages"
            )
        messages = [{"role": message.role, "content": message.text} for message in ask.messages]
        if messages[-1]["role"] == "assistant" and not ask.continue_final_message:
            fix = "end with the user's message, or send continue_final_message=true to have it continued"
            raise RequestError(400, f"messages: the last one is the assistant's; {fix}", param="messages")
        try:
            return render_chat(self.tokenizer, messages, continue_final=ask.continue_final_message)
        except ValueError as error:
            raise RequestError(400, f"messages: {error}", param="messages") from error

    def _check_ids(self, ids: list[int]) -> None:
        size = len(self.tokenizer)
        if any(not 0 <= token < size for token in ids):
            raise RequestError(
                400,
                f"prompt: a token id lies outside 0..{size - 1}; was it tokenised for another model?",
                param="prompt",
            )


def _each(prompt: str | list[int] | list[str] | list[list[int]]) -> list[str | list[int]]:
    """Every prompt of the forms that OpenAI allows."""
    if isinstance(prompt, str):
        return [prompt]
    ids = [token for token in prompt if isinstance(token, int)]
    many = [one for one in prompt if not isinstance(one, int)]
    if len(many) > MAX_PROMPTS:
        raise RequestError(
            400, f"prompt: {len(many)} prompts; send at most {MAX_PROMPTS} in a request", param="prompt"
        )
    return [ids] if ids else list(many)
