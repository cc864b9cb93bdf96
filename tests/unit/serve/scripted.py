"""A service without engines: characters are tokens, completions follow a script, rewards run in this
process."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jinja2
import numpy as np

from rewards import build_reward
from rl.engines.decode import EnginePolicy
from rl.serve.answering import Answerer
from rl.serve.app import ServeService
from rl.serve.choice import Chooser, Defaults
from rl.serve.gate import Gate
from rl.serve.judges import Judge
from rl.serve.plan_file import ServingPlan
from rl.serve.prompts import Encoder
from rl.serve.votes import answer_of
from rollout.types import (
    Completion,
    FinishReason,
    GroupRequest,
    Prompt,
    RewardResult,
    SamplingConfig,
    VersionSpan,
)

END = 0


def text_of(ids: Sequence[int]) -> str:
    return "".join(chr(token) for token in ids if token != END)


@dataclass
class Characters:
    """A tokenizer: one token for each character of Latin-1, no special ones."""

    chat_template: str | None = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}a:"

    def __len__(self) -> int:
        return 256

    def __call__(
        self, texts: Sequence[str], *, add_special_tokens: bool = True
    ) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(c) for c in text] for text in texts]}

    def batch_decode(self, batch: Sequence[Sequence[int]], *, skip_special_tokens: bool = True) -> list[str]:
        return [text_of(ids) for ids in batch]

    def apply_chat_template(
        self,
        messages: Any,
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        continue_final_message: bool = False,
    ) -> str:
        if messages[0]["role"] == "assistant":
            raise jinja2.TemplateError("a chat begins with the user")
        assert self.chat_template is not None
        return jinja2.Template(self.chat_template).render(messages=messages)


@dataclass
class Engine:
    """Gives ``texts`` one after the other, then begins again; each ends with an end token unless it is
    cut."""

    texts: Sequence[str]
    wait: Callable[[], Any] | None = None
    requests: list[GroupRequest] = field(default_factory=list)
    generated: int = 0
    given: int = 0

    async def generate(self, request: GroupRequest) -> list[Completion]:
        self.requests.append(request)
        if self.wait is not None:
            await self.wait()
        await asyncio.sleep(0)
        return [self._next(request.sampling.max_tokens) for _ in request.seeds]

    def _next(self, limit: int) -> Completion:
        whole = [*map(ord, self.texts[self.given % len(self.texts)]), END]
        self.given += 1
        ids = np.array(whole[:limit], dtype=np.int32)
        self.generated += len(ids)
        return Completion(
            token_ids=ids,
            behavior_logprobs=np.zeros(len(ids), dtype=np.float32),
            loss_mask=np.ones(len(ids), dtype=bool),
            spans=(VersionSpan(0, len(ids), 0),),
            finish_reason=FinishReason.LENGTH if len(whole) > limit else FinishReason.STOP,
        )


@dataclass
class Rewarding:
    """A ``GroupScorer`` in this process."""

    reward: Any
    asked: list[Prompt] = field(default_factory=list)

    async def score(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        self.asked.append(prompt)
        return [self.reward(prompt, text, truncated=cut) for text, cut in zip(texts, truncated, strict=True)]


def service(
    engine: Engine,
    *,
    reward: str | None = None,
    args: dict[str, Any] | None = None,
    plan: ServingPlan | None = None,
    gate: Gate | None = None,
    token: str | None = None,
    max_body: int = 4096,
    tokenizer: Characters | None = None,
    **defaults: Any,
) -> ServeService:
    """The application; ``defaults`` are fields of ``Defaults``."""
    tokenizer = tokenizer or Characters()
    judge = None if reward is None else Judge(reward, args or {}, Rewarding(build_reward(reward, args)))
    answerer = Answerer(
        policy=EnginePolicy(
            generate=engine.generate, decode=tokenizer.batch_decode, sampling=SamplingConfig()
        ),
        chooser=Chooser(
            defaults=Defaults(**{"max_tokens": 10, "max_model_len": 100} | defaults), plan=plan, judge=judge
        ),
        encoder=Encoder(tokenizer),
        vote=answer_of(reward, args or {}),
    )
    gate = gate or Gate(parallel=4, waiting=4, timeout_s=5)
    return ServeService(answerer, gate, model="toy", token=token, max_body=max_body)
