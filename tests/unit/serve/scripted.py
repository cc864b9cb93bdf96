"""A service without engines: characters are tokens, completions follow a script, rewards run in this
process."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
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
from rl.serve.sequences import Sampler
from rl.serve.votes import answer_of
from rollout.streaming import ScoredTokens, StreamRequest, TokenDelta
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
    streamed: list[StreamRequest] = field(default_factory=list)
    steps: int = 0
    generated: int = 0
    given: int = 0

    async def generate(self, request: GroupRequest) -> list[Completion]:
        self.requests.append(request)
        if self.wait is not None:
            await self.wait()
        await asyncio.sleep(0)
        return [self._next(request.sampling.max_tokens) for _ in request.seeds]

    async def stream(self, request: StreamRequest) -> AsyncGenerator[list[TokenDelta], None]:
        """A token a step, of all sequences together; log-probs are minus the token id, then those of the next
        ids."""
        self.requests.append(request.group)
        self.streamed.append(request)
        if self.wait is not None:
            await self.wait()
        made = [self._next(request.group.sampling.max_tokens) for _ in request.group.seeds]
        for step in range(max(len(one.token_ids) for one in made)):
            await asyncio.sleep(0)
            deltas = []
            for index, one in enumerate(made):
                if step < len(one.token_ids):
                    last = step == len(one.token_ids) - 1
                    deltas.append(
                        TokenDelta(
                            index=index,
                            tokens=scored([int(one.token_ids[step])], request.top_logprobs),
                            prompt=None
                            if step or request.prompt_logprobs is None
                            else scored(request.group.prompt_token_ids[1:], request.prompt_logprobs),
                            finish_reason=one.finish_reason if last else None,
                        )
                    )
            self.steps += 1
            yield deltas

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


def scored(ids: Sequence[int], top: int) -> ScoredTokens:
    """Every token with the ``top`` next ids; log-prob = -id / 100."""
    rows = np.array([[token, *range(token + 1, token + 1 + top)] for token in ids], dtype=np.int32)
    rows = rows.reshape(len(ids), 1 + top)
    return ScoredTokens(ids=rows, logprobs=(-rows / 100).astype(np.float32))


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
    judge = None if reward is None else Judge(reward, args or {}, Rewarding(build_reward(reward, args)))
    answerer = answerer_of(
        engine, reward=reward, args=args, plan=plan, judge=judge, tokenizer=tokenizer, **defaults
    )
    gate = gate or Gate(parallel=4, waiting=4, timeout_s=5)
    return ServeService({"toy": answerer}, gate, token=token, max_body=max_body)


def answerer_of(
    engine: Engine,
    *,
    reward: str | None = None,
    args: dict[str, Any] | None = None,
    plan: ServingPlan | None = None,
    judge: Judge | None = None,
    tokenizer: Characters | None = None,
    **defaults: Any,
) -> Answerer:
    """One model's answers; ``defaults`` are fields of ``Defaults``."""
    tokenizer = tokenizer or Characters()
    return Answerer(
        policy=EnginePolicy(
            generate=engine.generate, decode=tokenizer.batch_decode, sampling=SamplingConfig()
        ),
        sampler=Sampler(
            stream=engine.stream, decode=tokenizer.batch_decode, token_text=tokenizer.batch_decode
        ),
        chooser=Chooser(
            defaults=Defaults(**{"max_tokens": 10, "max_model_len": 100} | defaults), plan=plan, judge=judge
        ),
        encoder=Encoder(tokenizer),
        vote=answer_of(reward, args or {}),
    )
