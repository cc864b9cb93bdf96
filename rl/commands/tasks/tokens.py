"""Facts about a policy's tokens that decide whether prompts begin and completions end as they should."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.config.hub import model_directory
from rl.run.prepare.preflight import load_tokenizer
from rl.tasks.encoding import bare_ids
from rollout.types import Prompt

ENDS = 12
"""Tokens that are shown of each end of a prompt."""
ANSWER = "Answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A tokenizer and the tokens that end a completion."""

    tokenizer: Any
    ends: frozenset[int]
    """End tokens by the tokenizer and by generation_config.json."""

    @classmethod
    def of(cls, model: str) -> "Facts":
        """Those of a model directory, or of a name on the hub.

        Raises:
            ValueError: It is none, or has no tokenizer.
        """
        directory = model_directory(model, field="--model")
        tokenizer = load_tokenizer(directory)
        return cls(tokenizer=tokenizer, ends=frozenset(end_ids(directory, tokenizer)))

    @property
    def start(self) -> str:
        """The tokenizer's start token, '' if it has none."""
        return str(self.tokenizer.bos_token or "")

    def starts_twice(self, prompt: Prompt) -> bool:
        """True if the prompt begins with the start token, and with it again."""
        return self.tokenizer.bos_token_id is not None and prompt.token_ids[:2] == (
            self.tokenizer.bos_token_id,
            self.tokenizer.bos_token_id,
        )

    def is_chat(self, prompt: Prompt) -> bool:
        """True if the prompt ends where the chat template has the assistant speak."""
        if not self.tokenizer.chat_template:
            return False
        chat = [{"role": "user", "content": "Question"}]
        turn, asked = (
            str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=prompted))
            for prompted in (False, True)
        )
        opening = asked.removeprefix(turn)
        return opening not in ("", asked) and prompt.text.endswith(opening)

    def pieces(self, prompt: Prompt) -> list[str]:
        """The text of each token."""
        return [str(self.tokenizer.decode([one])) for one in prompt.token_ids]

    def shown(self, prompt: Prompt) -> str:
        """A prompt's first and last tokens, between bars."""
        pieces = [repr(piece)[1:-1] for piece in self.pieces(prompt)]
        if len(pieces) > 2 * ENDS:
            pieces = [*pieces[:ENDS], f"... {len(pieces) - 2 * ENDS} more ...", *pieces[-ENDS:]]
        return "|".join(pieces)

    def end_problem(self, *, chat: bool) -> str:
        """Why no completion would end; '' if it can.

        A chat's turn ends with what its template writes behind an answer; vLLM stops at end tokens alone.
        """
        if not self.ends:
            return (
                "neither the tokenizer nor generation_config.json names an end token, so every completion"
                " would be cut at rollout.max_tokens; set eos_token_id in generation_config.json"
            )
        if not chat:
            return ""
        turn = self._turn_end()
        if turn is None or turn in self.ends:
            return ""
        return (
            f"the chat template ends an answer with {self.tokenizer.decode([turn])!r} (id {turn}), which is"
            f" no end token ({sorted(self.ends)}); add it to eos_token_id in generation_config.json"
        )

    def _turn_end(self) -> int | None:
        """The first token behind an answer of the assistant; None if nothing is written there."""
        chat = [{"role": "user", "content": "Question"}, {"role": "assistant", "content": ANSWER}]
        text = str(self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=False))
        _, _, behind = text.rpartition(ANSWER)
        ids = bare_ids(self.tokenizer, [behind])[0] if behind else []
        return ids[0] if ids else None


def end_ids(directory: Path, tokenizer: Any) -> set[int]:
    """Ids that end a completion: the tokenizer's, and one or several of generation_config.json."""
    file = directory / "generation_config.json"
    given = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id") if file.is_file() else None
    several = given if isinstance(given, list) else [given]
    return {int(one) for one in (tokenizer.eos_token_id, *several) if one is not None}
