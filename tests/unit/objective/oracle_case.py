"""A random update on a tiny softmax policy, once as the learner's batch and once as the oracles' problem.

The policy is a table of logits by previous token, the critic a value by previous token. All constants are
float32 numbers, so that both sides start from the same ones; the oracles go on in float64.
"""

from collections.abc import Sequence as Rows
from dataclasses import dataclass, replace

import numpy as np
import torch

from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rollout.types import RolloutAux
from tests.unit.objective.oracles.problem import Problem, Sequence, Token

VOCAB = 7
MAX_TOKENS = 10
BUDGETS = (2, 4, 7, 10)
SIZES = (9, 4, 6, 1, 3)
"""Members of each group; the one of 9 is large enough for pass@4 by subsets, the last has equal rewards."""
TARGETS = (3, 8, 1, 2, 4)
"""The planner's k of each group: by subsets, above its size, RLOO."""
TOKEN_PRICE = 0.03125
POSTERIORS = ((2.0, 6.0), (1.0, 1.0), (0.5, 20.0), (3.0, 1.0), (1.0, 4.0))


@dataclass(frozen=True, kw_only=True)
class Case:
    """Tables of logits [V, V] and of values [V], float32, and the batch sampled from them."""

    batch: TrainingBatch
    start: torch.Tensor
    """At the start of the batch."""
    moved: torch.Tensor
    """After the first update."""
    base: torch.Tensor
    values: torch.Tensor
    values_moved: torch.Tensor

    def scores(self, table: torch.Tensor) -> np.ndarray:
        """[N] float32 log-probs of every token after the one before it, 0 where that is in another sample."""
        tokens = torch.from_numpy(self.batch.token_ids.astype(np.int64))
        out = np.zeros(len(tokens), dtype=np.float32)
        out[1:] = table.log_softmax(-1)[tokens[:-1], tokens[1:]].numpy()
        out[self.batch.offsets[:-1]] = 0
        return out

    def old_values(self) -> np.ndarray:
        """[N] float32 values of the state before every token."""
        out = np.zeros(len(self.batch.token_ids), dtype=np.float32)
        out[1:] = self.values.numpy()[self.batch.token_ids[:-1]]
        return out

    def problem(self, table: torch.Tensor, values: torch.Tensor) -> Problem:
        """For the oracles; ``table`` [V, V] and ``values`` [V] are float64 and get the gradient."""
        batch = self.batch
        log_p = table.log_softmax(-1)
        start, base, old = self.scores(self.start), self.scores(self.base), self.old_values()
        sequences = []
        for sample, (first, end) in enumerate(zip(batch.offsets[:-1], batch.offsets[1:], strict=True)):
            tokens = [
                Token(
                    policy=log_p[batch.token_ids[i - 1], batch.token_ids[i]],
                    behavior=float(batch.behavior_logprobs[i]),
                    start=float(start[i]),
                    base=float(base[i]),
                    value=values[batch.token_ids[i - 1]],
                    old_value=float(old[i]),
                )
                for i in range(first, end)
                if batch.loss_mask[i]
            ]
            scores = batch.aux.budget_scores[sample] if batch.aux.budget_scores is not None else None
            sequences.append(
                Sequence(
                    tokens=tokens,
                    reward=float(batch.rewards[sample]),
                    group=int(batch.segment_ids[sample]),
                    shown=bool(batch.demonstration[sample]),
                    posterior=POSTERIORS[batch.segment_ids[sample]],
                    pass_k=int(batch.aux.pass_k[sample]) if batch.aux.pass_k is not None else None,
                    token_price=(
                        float(batch.aux.token_price[sample]) if batch.aux.token_price is not None else 0.0
                    ),
                    budget_scores=None if scores is None or np.isnan(scores).any() else scores.tolist(),
                )
            )
        return Problem(sequences=sequences, max_tokens=MAX_TOKENS)


def make_case(
    config: AlgorithmConfig,
    *,
    seed: int = 0,
    sizes: tuple[int, ...] = SIZES,
    tools: bool = True,
    stale: bool = True,
) -> Case:
    """Groups of unequal size and sequences of unequal length, some tokens of an older policy, some not to be
    trained.

    Other code than ours may need less: groups of one size, no ``tools`` between sampled tokens, no ``stale``
    tokens.
    """
    draw = torch.Generator().manual_seed(seed)

    def near(table: torch.Tensor, distance: float) -> torch.Tensor:
        return table + distance * torch.randn(table.shape, generator=draw)

    start = torch.randn(VOCAB, VOCAB, generator=draw)
    older, values = near(start, 0.5), 0.5 + 0.3 * torch.randn(VOCAB, generator=draw)
    case = Case(
        batch=_batch(
            np.random.default_rng(seed), sizes, tools=tools, graded=config.advantage.name != "passk_chen"
        ),
        start=start,
        moved=near(start, 0.3),
        base=near(start, 0.5),
        values=values,
        values_moved=near(values, 0.3),
    )
    share = 0.4 if stale else 0.0
    return _special(
        replace(case, batch=_sampled(case, older, np.random.default_rng(seed + 1), share=share)), config
    )


def _batch(draw: np.random.Generator, sizes: tuple[int, ...], *, tools: bool, graded: bool) -> TrainingBatch:
    tokens, masks, prompts, lengths = [], [], [], []
    for size in sizes:
        prompt = draw.integers(0, VOCAB, draw.integers(1, 4))
        for member in range(size):
            loss = np.ones(MAX_TOKENS if member == 0 else draw.integers(1, MAX_TOKENS), bool)
            if tools and member % 3 == 1:  # what a tool said, in between
                loss = np.concatenate([loss[:1], np.zeros(2, bool), loss[1:]])
            masks += [np.zeros(len(prompt), bool), loss]
            tokens += [prompt, draw.integers(0, VOCAB, len(loss))]
            prompts.append(len(prompt))
            lengths.append(len(prompt) + len(loss))
    rewards = np.concatenate([_rewards(group, size, graded=graded) for group, size in enumerate(sizes)])
    count, mask = len(rewards), np.concatenate(masks)
    return TrainingBatch(
        step=0,
        token_ids=np.concatenate(tokens).astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        prompt_lens=np.array(prompts, np.int32),
        loss_mask=mask,
        behavior_logprobs=np.zeros(len(mask), np.float32),
        token_versions=np.where(mask, 0, -1).astype(np.int32),
        rewards=rewards.astype(np.float32),
        correct=rewards >= 1,
        truncated=np.zeros(count, bool),
        demonstration=np.zeros(count, bool),
        segment_ids=np.repeat(np.arange(len(sizes)), sizes).astype(np.int32),
        group_ids=np.arange(len(sizes), dtype=np.int64),
        temperature=1.0,
        aux=RolloutAux(posterior=np.repeat(np.array(POSTERIORS[: len(sizes)]), sizes, axis=0)),
    )


def _rewards(group: int, size: int, *, graded: bool) -> np.ndarray:
    """Rare successes, a tie, grades in quarters (exact in float32), a group of one, equal rewards."""
    if group == 2 and size == 6 and graded:
        return np.array([0.0, 0.25, 0.25, 0.75, 1.0, 0.0])
    right: Rows[int] = ((1, 4, 6), (0, 3), (3, 5), (0,), (0, 1, 2))[group]
    return np.isin(np.arange(size), right).astype(float)


def _sampled(case: Case, older: torch.Tensor, draw: np.random.Generator, *, share: float) -> TrainingBatch:
    """A share of the tokens came from the older policy, often within one sequence; every third sequence is
    all fresh."""
    batch = case.batch
    owner = np.repeat(np.arange(len(batch.rewards)), np.diff(batch.offsets))
    stale = (draw.random(len(owner)) < share) & (owner % 3 != 0) & batch.loss_mask
    logprobs = np.where(stale, case.scores(older), case.scores(case.start))
    return replace(
        batch,
        behavior_logprobs=np.where(batch.loss_mask, logprobs, 0).astype(np.float32),
        token_versions=np.where(batch.loss_mask, np.where(stale, 0, 1), -1).astype(np.int32),
    )


def _special(case: Case, config: AlgorithmConfig) -> Case:
    """What the stream adds for some algorithms: demonstrations in place of the group of one, scores at each
    thinking budget."""
    batch = case.batch
    if config.demonstrations is not None:
        shown = batch.segment_ids == SIZES.index(1)
        owner = np.repeat(np.arange(len(batch.rewards)), np.diff(batch.offsets))
        behavior = np.where(shown[owner], 0, batch.behavior_logprobs).astype(np.float32)
        return replace(case, batch=replace(batch, demonstration=shown, behavior_logprobs=behavior))
    if config.planner is not None:
        told = {
            "pass_k": np.array(TARGETS)[batch.segment_ids],
            "token_price": np.full(len(batch.rewards), TOKEN_PRICE),
        }
        return replace(case, batch=replace(batch, aux=replace(batch.aux, **told)))
    if config.advantage.name == "brpo":
        draw = np.random.default_rng(7)
        scores = draw.integers(0, 3, (len(batch.rewards), len(BUDGETS))) / 2
        scores[np.isin(batch.segment_ids, [1, 4])] = np.nan  # answers from one cut-off thinking
        return replace(case, batch=replace(batch, aux=replace(batch.aux, budget_scores=scores)))
    return case
