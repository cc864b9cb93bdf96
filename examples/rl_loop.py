r"""Group-relative policy optimisation (GRPO) in one file: ``t2rl train`` without what makes it fast and safe.

    python examples/rl_loop.py --steps 20 --seed 0

One process does everything in turn: draw prompts, sample a group of answers to each with vLLM, judge them,
compare each answer with the rest of its group, take optimizer steps, give vLLM the new weights. It trains the
base of the quickstart, built on first use (minutes) and then cached, and evaluates it before and after. The
parts are those of a real run; comments name the file where a real run does more than the lines below them.
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM

from rewards import build_reward
from rl.batch.types import TrainingBatch
from rl.config.load import load_config
from rl.config.schema import Config
from rl.engines.actors import engine_config
from rl.evaluation.held_out import EVAL_GROUP_IDS
from rl.learner.head import token_logprobs
from rl.learner.publishing import WeightPublisher
from rl.objective.estimator import policy_gradient_loss
from rl.objective.inputs import TokenInputs
from rl.objective.samples import Samples, Tokens
from rl.objective.terms import update_terms
from rl.run.prepare.inputs import Prepared, prepare
from rl.stream.plans import make_group_id, request_seeds
from rl.tasks.encoding import Decode
from rollout.engine import InferenceEngine, build_engine
from rollout.types import GroupRequest, Prompt, Reward, Rollout, RolloutGroup, SamplingConfig
from rollout.vllm_env import prepare_process
from rollout.weight_directory import WeightDirectory


async def train(config: Config, prepared: Prepared) -> None:
    """Evaluate the base, train it for ``run.steps`` steps, evaluate again."""
    # A real run has engines and DeepSpeed ranks in Ray actors (rl/engines/fleet.py, rl/learner/group.py).
    engine = build_engine(engine_config(config, prepared.model_path))
    policy = AutoModelForCausalLM.from_pretrained(prepared.model_path, dtype=torch.float32)
    learner, size = config.learner, config.stream.rollouts_per_prompt
    optimizer = torch.optim.AdamW(policy.parameters(), learner.lr, learner.betas, weight_decay=0)
    publisher, directory = WeightPublisher(policy, gather=False, is_writer=True), WeightDirectory.fresh()
    reward = build_reward(prepared.task.reward_name, prepared.task.reward_args)
    sampler = Sampler(engine, reward, prepared.decode(), config)
    rng = np.random.default_rng(config.run.seed)

    await engine.start()
    await evaluate("before", sampler, prepared.eval_prompts)
    for step in range(config.run.steps):
        # 1. Draw prompts. A real run asks a curriculum which ones, and how many answers to each (curricula/).
        drawn = rng.choice(len(prepared.train_prompts), config.stream.prompts_per_step, replace=False)
        prompts = [prepared.train_prompts[i] for i in drawn]
        # 2. Sample a group of answers to each prompt and judge them. A real run samples the next batch
        #    meanwhile, and bounds the age of the weights behind what it trains on (rl/run/controller.py).
        groups = await sampler.groups(prompts, size, config.rollout.temperature, make_group_id(step, 0, 0))
        # 3. Learn from the groups, a share of them in each optimizer step.
        shares = [groups[first :: learner.updates_per_batch] for first in range(learner.updates_per_batch)]
        results = [update(policy, optimizer, share, config) for share in shares]
        # 4. Give the engine the new weights, through shared memory and under a checksum.
        weights = publisher.publish(step + 1, directory.path)
        assert weights is not None, "only ranks that do not write return nothing"
        await engine.update_weights(weights)

        loss, gap = np.mean([loss for loss, _ in results]), results[0][1]
        print(f"step {step}: pass rate {pass_rate(groups):.3f}, loss {loss:+.4f}, gap {gap:.1e}", flush=True)
    await evaluate("after", sampler, prepared.eval_prompts)

    await engine.stop()
    publisher.close()
    directory.remove()


@dataclass(frozen=True, slots=True)
class Sampler:
    """The engine and the reward: prompts in, groups of judged answers out."""

    engine: InferenceEngine
    reward: Reward
    decode: Decode
    config: Config

    async def groups(
        self, prompts: Sequence[Prompt], size: int, temperature: float, first: int
    ) -> list[RolloutGroup]:
        """Asks for ``size`` answers to each prompt at once: vLLM batches them. Numbers begin at ``first``."""
        asked = (self._group(first + i, prompt, size, temperature) for i, prompt in enumerate(prompts))
        return await asyncio.gather(*asked)

    async def _group(self, number: int, prompt: Prompt, size: int, temperature: float) -> RolloutGroup:
        # The engine takes and gives token ids, each with its log-prob under the weights that sampled it.
        sampling = SamplingConfig(temperature=temperature, max_tokens=self.config.rollout.max_tokens)
        seeds = request_seeds(self.config.run.seed, number, size)
        ids = prompt.token_ids
        request = GroupRequest(group_id=number, prompt_token_ids=ids, seeds=seeds, sampling=sampling)
        completions = await self.engine.generate(request)
        # A real run judges in processes that are killed when they hang (rewards/processes/pool.py).
        texts = self.decode([completion.token_ids.tolist() for completion in completions])
        judged = tuple(
            Rollout(completion=c, text=text, result=self.reward(prompt, text, truncated=c.truncated))
            for c, text in zip(completions, texts, strict=True)
        )
        return RolloutGroup(group_id=number, plan_step=-1, prompt=prompt, sampling=sampling, rollouts=judged)


def update(
    policy: torch.nn.Module, optimizer: torch.optim.Optimizer, groups: list[RolloutGroup], config: Config
) -> tuple[float, float]:
    """One optimizer step. Returns the loss, and how far a token's log-prob was from the engine's at most.

    S = answers, L = tokens of the longest with its prompt, V = vocabulary, T = sampled tokens of all answers.
    """
    # a. A row for each answer, its prompt in front, padded on the right. A real learner sorts the rows by
    #    length and cuts them into micro-batches for every rank (rl/learner/micro_batch.py).
    batch = TrainingBatch.from_groups(0, groups)

    def rows(flat: np.ndarray) -> torch.Tensor:  # [S, L]
        cut = np.split(flat, batch.offsets[1:-1])
        return pad_sequence([torch.from_numpy(row) for row in cut], batch_first=True)

    tokens, behavior = rows(batch.token_ids).long(), rows(batch.behavior_logprobs)
    row, column = rows(batch.loss_mask).nonzero(as_tuple=True)  # [T] where the sampled tokens stand

    # b. The advantage of an answer: (reward - mean of its group) / standard deviation of its group. Its
    #    tokens share it. The weights make the sum of step d a mean over tokens (rl/objective/advantages/).
    samples = Samples(
        rewards=torch.from_numpy(batch.rewards),
        correct=torch.from_numpy(batch.correct),
        segment_ids=torch.from_numpy(batch.segment_ids).long(),
        lengths=torch.bincount(row, minlength=len(tokens)),
        truncated=torch.from_numpy(batch.truncated),
        demonstration=torch.from_numpy(batch.demonstration),
        max_tokens=config.rollout.max_tokens,
    )
    terms = update_terms(samples, Tokens(sample=row), config.algorithm)

    # c. Log-probs under the weights as they are now; the logits at a place predict the token behind it. There
    #    is no attention mask, because in a causal model padding cannot change what stands before it.
    logits = policy(tokens).logits  # [S, L, V]
    logprobs = token_logprobs(logits[row, column - 1], tokens[row, column], batch.temperature)  # [T]

    # d. The loss: minus the sum of weight * advantage * ratio, where ratio = exp(logprobs - behavior) gets no
    #    gradient once it has moved far enough in the advantage's direction (rl/objective/estimator.py).
    inputs = TokenInputs(
        policy_logprobs=logprobs,
        behavior_logprobs=behavior[row, column],
        advantages=terms.advantages,
        weights=terms.weights,
        sequence=row,
    )
    loss = policy_gradient_loss(inputs, config.algorithm).loss

    # e. The optimizer step. A real learner refuses it when a gradient is not finite (rl/learner/update.py).
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(policy.parameters(), config.learner.grad_clip)
    optimizer.step()
    return loss.item(), (logprobs - inputs.behavior_logprobs).abs().max().item()


async def evaluate(when: str, sampler: Sampler, prompts: Sequence[Prompt]) -> None:
    """Print how often held-out prompts are answered right: by the likeliest answer, and by eight samples."""
    # Groups of the same number get the same seeds: the same before and after, and others than in training.
    greedy = await sampler.groups(prompts, 1, 0.0, EVAL_GROUP_IDS)
    sampled = await sampler.groups(prompts, 8, 1.0, EVAL_GROUP_IDS)
    print(f"{when}: greedy {pass_rate(greedy):.3f}, pass@1 {pass_rate(sampled):.3f} ({len(prompts)} prompts)")


def pass_rate(groups: Sequence[RolloutGroup]) -> float:
    """Mean over prompts of the share of right answers."""
    return float(np.mean([group.num_correct / len(group.rollouts) for group in groups]))


def main() -> None:
    """Read the command line, build or find the base, train it."""
    parser = argparse.ArgumentParser(description="GRPO in one file, on the quickstart's base.")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--config", default="quickstart", help="or debug, or a YAML file that builds on them")
    args = parser.parse_args()
    overrides = [f"run.steps={args.steps}", f"run.seed={args.seed}", "rollout.cores=null"]
    config = load_config(args.config, overrides)
    if config.algorithm.critic or config.algorithm.kl or config.learner.lora:
        parser.error("this loop has no critic, no reference policy and no adapters; use t2rl train")
    prepared = prepare(config)  # the base and both splits; finds most of what a user can get wrong
    prepare_process(engine_config(config, prepared.model_path))  # before anything imports vLLM
    asyncio.run(train(config, prepared))


if __name__ == "__main__":
    main()
