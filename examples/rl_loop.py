r"""Group-relative policy optimisation (GRPO) in one file: what ``t2rl train`` does, without what makes it fast and safe.

    python examples/rl_loop.py --steps 20 --seed 0

One process does everything in turn: draw prompts, sample a group of answers to each with vLLM, let the reward judge
them, compare every answer with the rest of its group, take optimizer steps, give the new weights to vLLM. It trains
the base of the quickstart, which is built on first use (minutes) and then cached, and evaluates it before and after.
All parts are T2RL's own. Comments name the file where a real run does more than the lines below them.
"""

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM

from rewards import build_reward
from rl.actors import engine_config
from rl.config.load import load_config
from rl.config.schema import Config
from rl.encoding import Decode
from rl.learner.head import token_logprobs
from rl.learner.publishing import WeightPublisher
from rl.objective.estimator import policy_gradient_loss
from rl.objective.inputs import TokenInputs
from rl.objective.samples import Samples, Tokens
from rl.objective.terms import token_terms
from rl.prepare import Prepared, prepare
from rl.stream.plans import request_seeds
from rl.types import TrainingBatch
from rl.weight_directory import fresh_weight_directory
from rollout.engine import InferenceEngine, build_engine
from rollout.types import GroupRequest, Prompt, Reward, Rollout, RolloutGroup, SamplingConfig
from rollout.vllm_env import prepare_process

HELD_OUT = 1 << 60
"""Groups of an evaluation are numbered from here: they get the same seeds before and after, and never those of a training step."""


async def train(config: Config, prepared: Prepared) -> None:
    """Evaluate the base, train it for ``run.steps`` steps, evaluate again."""
    # A real run has many engines and DeepSpeed ranks, all of them Ray actors (rl/actors.py, rl/learner/group.py).
    policy = AutoModelForCausalLM.from_pretrained(prepared.model_path, dtype=torch.float32)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=config.learner.lr, betas=config.learner.betas, weight_decay=0)
    engine = build_engine(engine_config(config, prepared.model_path))
    publisher, directory = WeightPublisher(policy, gather=False, is_writer=True), fresh_weight_directory()
    reward = build_reward(prepared.task.reward_name, prepared.task.reward_args)
    sampler = Sampler(engine=engine, reward=reward, decode=prepared.decode(), seed=config.run.seed)
    sampling = SamplingConfig(temperature=1.0, max_tokens=config.rollout.max_tokens)
    rng = np.random.default_rng(config.run.seed)

    await engine.start()
    await evaluate(sampler, prepared.eval_prompts, sampling, "before")
    for step in range(config.run.steps):
        began = time.perf_counter()
        # 1. Draw prompts. A real run asks a curriculum which prompts, and how many attempts at each (curricula/).
        drawn = rng.choice(len(prepared.train_prompts), config.stream.prompts_per_step, replace=False)
        prompts = [prepared.train_prompts[i] for i in drawn]
        # 2. Sample a group of answers to each prompt and judge them. A real run samples the next batches meanwhile, and
        #    bounds how old the weights behind a trained token may be (rl/controller.py).
        groups = await sampler.groups(prompts, config.stream.rollouts_per_prompt, sampling, first_id=step << 20)
        # 3. Learn from them, in a few optimizer steps on disjoint groups.
        updates = config.learner.updates_per_batch
        results = [update(policy, optimizer, groups[first::updates], config) for first in range(updates)]
        # 4. Give the engine the new weights, through shared memory and under a checksum.
        await engine.update_weights(publisher.publish(step + 1, directory))
        report(step, groups, results, time.perf_counter() - began)
    await evaluate(sampler, prepared.eval_prompts, sampling, "after")

    await engine.stop()
    publisher.close()
    shutil.rmtree(directory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """The engine and the reward: prompts in, groups of judged answers out."""

    engine: InferenceEngine
    reward: Reward
    decode: Decode
    seed: int

    async def groups(self, prompts: Sequence[Prompt], size: int, sampling: SamplingConfig, *, first_id: int) -> list[RolloutGroup]:
        """``size`` answers to each prompt. All are asked for at once; vLLM batches them."""
        asked = (self._group(prompt, size, sampling, first_id + i) for i, prompt in enumerate(prompts))
        return await asyncio.gather(*asked)

    async def _group(self, prompt: Prompt, size: int, sampling: SamplingConfig, group_id: int) -> RolloutGroup:
        # The engine takes and gives token ids, with the log-prob of each token under the weights that sampled it.
        seeds = request_seeds(self.seed, group_id, size)
        request = GroupRequest(group_id=group_id, prompt_token_ids=prompt.token_ids, seeds=seeds, sampling=sampling)
        completions = await self.engine.generate(request)
        # In a real run the reward is in processes that are killed when they hang (rewards/pool.py).
        texts = self.decode([c.token_ids.tolist() for c in completions])
        rollouts = tuple(
            Rollout(completion=c, text=text, result=self.reward(prompt, text, truncated=c.truncated))
            for c, text in zip(completions, texts, strict=True)
        )
        return RolloutGroup(group_id=group_id, plan_step=-1, prompt=prompt, sampling=sampling, rollouts=rollouts)


def update(policy: torch.nn.Module, optimizer: torch.optim.Optimizer, groups: list[RolloutGroup], config: Config) -> tuple[float, float]:
    """One optimizer step on whole groups. Returns the loss, and the largest gap of a token's log-prob from the engine's.

    S = answers, L = tokens of the longest with its prompt, T = sampled tokens of all answers, V = vocabulary.
    """
    # a. One row for each answer, its prompt in front, padded on the right to [S, L]. A real learner cuts this into
    #    micro-batches of answers of like length, for every rank (rl/learner/batching.py).
    batch = TrainingBatch.from_groups(0, groups)

    def rows(flat: np.ndarray) -> torch.Tensor:
        return pad_sequence([torch.from_numpy(one) for one in np.split(flat, batch.offsets[1:-1])], batch_first=True)

    tokens, behavior = rows(batch.token_ids).long(), rows(batch.behavior_logprobs)
    row, column = rows(batch.loss_mask).nonzero(as_tuple=True)  # [T] each sampled token: whose it is, where it stands

    # b. Advantages [T]: how much better an answer was than the others of its group, (reward - mean) / standard deviation,
    #    and how much each token counts. ``algorithm=`` chooses other ones (rl/objective/advantages).
    samples = Samples(
        rewards=torch.from_numpy(batch.rewards),
        correct=torch.from_numpy(batch.correct),
        segment_ids=torch.from_numpy(batch.segment_ids).long(),
        lengths=torch.bincount(row, minlength=len(tokens)),
        truncated=torch.from_numpy(batch.truncated),
        demonstration=torch.from_numpy(batch.demonstration),
        max_tokens=config.rollout.max_tokens,
    )
    terms = token_terms(samples, Tokens(sample=row), config.algorithm)

    # c. Log-probs [T] of the sampled tokens under the weights as they are now; the logits at one place predict the next
    #    token. No attention mask: in a causal model the padding behind an answer cannot change what stands before it.
    logits = policy(tokens).logits  # [S, L, V]
    logprobs = token_logprobs(logits[row, column - 1], tokens[row, column], batch.temperature)

    # d. The loss: minus the ratio exp(logprobs - behavior) times the advantage, clipped where the ratio has gone far
    #    enough (rl/objective/estimator.py).
    inputs = TokenInputs(
        policy_logprobs=logprobs,
        behavior_logprobs=behavior[row, column],
        advantages=terms.advantages,
        weights=terms.weights,
        sequence=row,
    )
    loss = policy_gradient_loss(inputs, config.algorithm).loss

    # e. The optimizer step. In a real run DeepSpeed takes it, with its schedules, sharding and a check that all is finite.
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(policy.parameters(), config.learner.grad_clip)
    optimizer.step()
    return loss.item(), (logprobs - inputs.behavior_logprobs).abs().max().item()


async def evaluate(sampler: Sampler, prompts: Sequence[Prompt], sampling: SamplingConfig, when: str) -> None:
    """Print the share of right answers on held-out prompts: the most likely answer of each, and eight samples of each."""
    greedy = await sampler.groups(prompts, 1, replace(sampling, temperature=0.0), first_id=HELD_OUT)
    sampled = await sampler.groups(prompts, 8, sampling, first_id=HELD_OUT)
    print(f"{when}: greedy {pass_rate(greedy):.3f}, pass@1 {pass_rate(sampled):.3f} on {len(prompts)} held-out prompts")


def pass_rate(groups: Sequence[RolloutGroup]) -> float:
    """Mean over prompts of the share of right answers."""
    return float(np.mean([group.num_correct / len(group.rollouts) for group in groups]))


def report(step: int, groups: Sequence[RolloutGroup], results: Sequence[tuple[float, float]], seconds: float) -> None:
    """Print one line. The gap is that of the first update, when engine and learner should hold the same weights."""
    tokens = sum(group.num_tokens for group in groups)
    mixed = sum(group.mixed for group in groups)
    print(
        f"step {step}: pass rate {pass_rate(groups):.3f}, {mixed} of {len(groups)} groups mixed, {tokens} tokens, "
        f"loss {np.mean([loss for loss, _ in results]):+.4f}, gap {results[0][1]:.1e}, {seconds:.1f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--config", default="quickstart")
    parser.add_argument("--lr", type=float)
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    config = load_config(args.config, [f"run.steps={args.steps}", f"run.seed={args.seed}", "rollout.cores=null", f"rollout.num_threads={cores}"] + ([f"learner.lr={args.lr}"] if args.lr else []))
    prepared = prepare(config)
    prepare_process(engine_config(config, prepared.model_path))
    asyncio.run(train(config, prepared))
    os._exit(0)

if __name__ == "__main__":
    main()
