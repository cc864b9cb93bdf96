"""TRL's GRPOTrainer on a T2RL run's own base, prompts, verifier, objective, optimizer and schedule. Used by
``vs_trl.py``.

    python -m benchmarks.speed.trl_side --config run.yaml --out DIR [--generator transformers|vllm]
    [--attention sdpa|eager] [--dtype float32|autocast|bfloat16] [--rows N]

Writes ``DIR/steps.jsonl``, one row per optimizer step, and ``DIR/snapshots/NNNNNN`` (Hugging Face
directories), the writing of which is off the clock. Uses as many threads as ``OMP_NUM_THREADS`` says.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(
    {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
)

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from rewards import build_reward
from rl.config.algorithm import ClipMask
from rl.config.load import load_config
from rl.config.schema import Config
from rl.learner.schedules import lr_multiplier
from rl.run.prepare.inputs import Prepared, prepare
from rollout.vllm_env import COMMON_ENVIRONMENT, CPU_ENVIRONMENT

LOSSES = {"token": "dapo", "sequence": "grpo", "dr_grpo": "dr_grpo"}
"""Our aggregation -> TRL's loss_type."""
SCALES = {"grpo": "group", "dr_grpo": "none"}
"""Our advantage -> TRL's scale_rewards."""


class Scorer:
    """The run's verifier as TRL's reward function, called in this process; counts what passes through."""

    def __init__(self, prepared: Prepared, *, max_tokens: int, eos: int) -> None:
        self.__name__ = prepared.task.reward_name
        self.rollouts = self.tokens = 0
        self.reward = 0.0
        self._reward = build_reward(prepared.task.reward_name, prepared.task.reward_args)
        self._prompts = prepared.train_prompts
        self._max_tokens = max_tokens
        self._eos = eos

    def __call__(
        self, *, completions: list[str], completion_ids: list[list[int]], index: list[int], **_: Any
    ) -> list[float]:
        """One value per completion."""
        truncated = [len(ids) >= self._max_tokens and ids[-1] != self._eos for ids in completion_ids]
        values = [
            self._reward(self._prompts[i], text, truncated=cut).value
            for i, text, cut in zip(index, completions, truncated, strict=True)
        ]
        self.rollouts += len(values)
        self.tokens += sum(len(ids) for ids in completion_ids)
        self.reward = sum(values) / len(values)
        return values


class Log(TrainerCallback):
    """Writes one row per optimizer step, takes snapshots off the clock, and stops at the time limit."""

    def __init__(self, out: Path, scorer: Scorer, *, snapshot_every: int, limit_s: float) -> None:
        self._out, self._scorer = out, scorer
        self._snapshot_every, self._limit_s = snapshot_every, limit_s
        self._rows = (out / "steps.jsonl").open("w", encoding="utf-8", buffering=1)
        self._started = self._paused_s = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self._started = time.time()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """``seconds`` since the start of training; ``ended`` is the time of day, for the CPU clock
        outside."""
        ended = time.time()
        seconds = ended - self._started - self._paused_s
        scorer = self._scorer
        row = {
            "step": state.global_step,
            "seconds": seconds,
            "ended": ended,
            "rollouts": scorer.rollouts,
            "tokens": scorer.tokens,
        }
        self._rows.write(json.dumps(row | {"reward": scorer.reward}) + "\n")
        if self._snapshot_every and state.global_step % self._snapshot_every == 0:
            kwargs["model"].save_pretrained(self._out / "snapshots" / f"{state.global_step:06d}")
        self._paused_s += time.time() - ended
        control.should_training_stop |= seconds >= self._limit_s


def keep_vllm_weights_loadable() -> None:
    """vLLM's CPU build moves linear weights into packed copies, after which TRL's ``load_weights`` has
    nowhere to write.

    Dispatching to plain linear instead lets TRL's colocated engine run at all. Must come before the engine is
    made.
    """
    import vllm.model_executor.layers.utils as layers

    def plain_linear(layer: Any, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    layers.dispatch_cpu_unquantized_gemm = plain_linear


def trainer_config(config: Config, args: argparse.Namespace) -> Any:
    """The run's settings in TRL's words.

    Raises:
        ValueError: the run uses something that TRL has no equivalent of.
    """
    from trl import GRPOConfig

    algorithm, learner, stream, rollout = config.algorithm, config.learner, config.stream, config.rollout
    if (
        not isinstance(algorithm.mask, ClipMask)
        or algorithm.likelihood.name != "token_ratio"
        or config.rollout.top_p != 1
    ):
        raise ValueError("algorithm: this comparison knows clip masks on token ratios and top_p=1 only")
    updates = learner.updates_per_batch
    batch = stream.prompts_per_step * stream.rollouts_per_prompt
    vllm = {
        "vllm_mode": "colocate",
        "vllm_max_model_length": rollout.max_model_len,
        "vllm_gpu_memory_utilization": 0.05,
        "vllm_importance_sampling_correction": not args.no_correction,
    }
    rows = args.rows or batch // updates
    if (batch // updates) % rows:
        raise ValueError(f"--rows {rows} does not divide the {batch // updates} rollouts of an update")
    return GRPOConfig(
        output_dir=str(args.out / "trainer"),
        max_steps=config.run.steps * updates,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=batch // updates // rows,
        steps_per_generation=batch // rows,
        num_generations=stream.rollouts_per_prompt,
        max_completion_length=rollout.max_tokens,
        temperature=rollout.temperature,
        top_k=0,
        beta=0.0,
        loss_type=LOSSES[algorithm.aggregation],
        scale_rewards=SCALES[algorithm.advantage.name],
        epsilon=algorithm.mask.clip_low,
        epsilon_high=algorithm.mask.clip_high,
        max_grad_norm=learner.grad_clip,
        seed=config.run.seed,
        use_cpu=True,
        bf16=args.dtype == "autocast",
        gradient_checkpointing=False,
        save_strategy="no",
        logging_steps=50,
        disable_tqdm=True,
        report_to=[],
        use_vllm=args.generator == "vllm",
        **(vllm if args.generator == "vllm" else {}),
    )


def optimizer_of(model: torch.nn.Module, config: Config) -> tuple[Any, Any]:
    """The run's AdamW (torch's fused one, TRL's default) and its own schedule."""
    learner = config.learner
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=learner.lr,
        betas=learner.betas,
        eps=learner.eps,
        weight_decay=learner.weight_decay,
        fused=True,
    )
    multiplier: Callable[[int], float] = lr_multiplier(
        learner, total_updates=config.run.steps * learner.updates_per_batch
    )
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, multiplier)


def train(config: Config, args: argparse.Namespace) -> None:
    """Run it."""
    from trl import GRPOTrainer

    prepared = prepare(config)
    tokenizer = AutoTokenizer.from_pretrained(prepared.model_path)
    for prompt in prepared.train_prompts[:100]:
        assert tokenizer(prompt.text)["input_ids"] == list(prompt.token_ids), (
            "both sides must see the same prompt tokens"
        )
    model = AutoModelForCausalLM.from_pretrained(
        prepared.model_path,
        dtype=torch.bfloat16 if args.dtype == "bfloat16" else torch.float32,
        attn_implementation=args.attention,
    )
    scorer = Scorer(prepared, max_tokens=config.rollout.max_tokens, eos=tokenizer.eos_token_id)
    rows = [{"prompt": p.text, "index": i} for i, p in enumerate(prepared.train_prompts)]
    if args.generator == "vllm":
        keep_vllm_weights_loadable()
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=scorer,
        args=trainer_config(config, args),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        optimizers=optimizer_of(model, config),
        callbacks=[Log(args.out, scorer, snapshot_every=args.snapshot_every, limit_s=args.limit_s)],
    )
    trainer.train()
    (args.out / "log.json").write_text(
        json.dumps(trainer.state.log_history, indent=1) + "\n", encoding="utf-8"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="resolved config of the T2RL run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--generator", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--dtype", choices=["float32", "autocast", "bfloat16"], default="float32")
    parser.add_argument("--rows", type=int, default=0, help="of a forward pass; 0 = all of an update")
    parser.add_argument("--no-correction", action="store_true", help="of vLLM's samples: a pass less")
    parser.add_argument("--snapshot-every", type=int, default=0, help="optimizer steps; 0 = none")
    parser.add_argument(
        "--limit-s", type=float, default=float("inf"), help="stop after this many seconds of training"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.generator == "vllm":  # before TRL imports it
        os.environ.update(
            COMMON_ENVIRONMENT
            | CPU_ENVIRONMENT
            | {
                "VLLM_LOGGING_LEVEL": "ERROR",
                "VLLM_CPU_KVCACHE_SPACE": "1",
            }
        )
    train(load_config(args.config), args)
    os._exit(0)  # a colocated engine leaves threads behind that never end


if __name__ == "__main__":
    main()
