"""Which settings make a run what it is, and which may change at a resume. A test holds that every field of
the configs is in one.

A name is a field's path or that of a section, whose fields it then decides; the longest one counts.
"""

import re

_OF_A_PART = re.compile(r"^task\.parts\.[^.]+\.")
"""A field of a mixture's part is treated as the same field of a task alone."""
IDENTITY = {
    # What is optimised, on what, chosen how.
    "algorithm",
    "curriculum",
    "task",
    "run.seed",
    "stream.prompts_per_step",
    "stream.refill_rounds",
    "stream.rollouts_per_prompt",
    "reward_model",
    # The distribution that completions come from.
    "rollout.dtype",
    "rollout.engine_args",
    "rollout.ignore_eos",
    "rollout.kv_after_update",
    "rollout.max_tokens",
    "rollout.stop",
    "rollout.stop_token_ids",
    "rollout.temperature",
    "rollout.top_p",
    # The optimizer.
    "learner.betas",
    "learner.deepspeed",
    "learner.dither",
    "learner.eps",
    "learner.grad_clip",
    "learner.lr",
    "learner.optimizer.args",
    "learner.optimizer.momentum",
    "learner.optimizer.muon_lr",
    "learner.schedule",
    "learner.sync",
    "learner.updates_per_batch",
    "learner.warmup_steps",
    "learner.weight_decay",
    # The evaluations of before and after are compared problem by problem.
    "evaluation.extra_temperatures",
    "evaluation.greedy",
    "evaluation.num_prompts",
    "evaluation.samples_per_prompt",
    "evaluation.split",
    "evaluation.temperature",
    # The stages'.
    "beta",
    "data",
    "pairs",
    "stage",
    "trainer",
}
FREE = {
    # Contents are compared instead of the names of files.
    "data.path",
    "model",
    "pairs.path",
    "reward_model.path",
    "reward_model.revision",
    "reward_model.trust_remote_code",
    "task.dev",
    "task.allow_overlap",
    "task.on_bad_reference",
    "task.on_error",
    "task.path",
    "task.reference_check_s",
    "task.test",
    "task.train",
    # How long, where to, and what is shown.
    "checkpoint",
    "evaluation.bootstrap",
    "evaluation.engines",
    "evaluation.every",
    "evaluation.ks",
    "evaluation.suites",
    "records",
    "resume",
    "run.advisories",
    "run.dir",
    "run.name",
    "run.rollout_token_budget",
    "run.steps",
    "run.wall_clock_s",
    "tracker",
    "trainer.epochs",
    "trainer.max_steps",
    # Where and how fast. The bound on staleness may be tightened and loosened (rl.stream.tickets).
    "cluster",
    "learner.collective_timeout_s",
    "learner.cores",
    "learner.device",
    "learner.gradient_checkpointing",
    "learner.max_restarts",
    "learner.replay_mib",
    "learner.logits_per_chunk",
    "learner.micro_batch_tokens",
    "learner.num_threads",
    "learner.offload",
    "learner.packing",
    "reward_model.batch_size",
    "reward_model.cpus",
    "reward_model.device",
    "reward_model.gpus",
    "reward_model.max_restarts",
    "reward_model.num_threads",
    "reward_model.start_timeout_s",
    "reward_model.timeout_s",
    "rollout.backend",
    "rollout.block_size",
    "rollout.cache_watermark",
    "rollout.cores",
    "rollout.device",
    "rollout.gpu_memory_utilization",
    "rollout.kv_cache_mib",
    "rollout.max_batched_tokens",
    "rollout.max_model_len",
    "rollout.max_num_seqs",
    "rollout.max_restarts",
    "rollout.num_engines",
    "rollout.num_threads",
    "rollout.prefix_cache",
    "rollout.probe_every",
    "rollout.probe_factor",
    "rollout.probe_tolerance",
    "rollout.tensor_parallel",
    "rollout.weight_changes",
    "rollout.weight_transfer",
    "stream.group_timeout_s",
    "stream.inside_batch",
    "stream.max_issues",
    "stream.max_staleness",
    "stream.pipeline_depth",
    "stream.push_at_share",
    "stream.redundant_share",
    "stream.rollover_share",
    "stream.start_timeout_s",
    "stream.step_timeout_s",
    "stream.sync_timeout_s",
    "trainer.device",
    "trainer.gradient_checkpointing",
    "trainer.micro_batch_size",
    "trainer.num_threads",
    "verifiers",
    # A checkpoint of another shape is refused whatever is accepted (rl.learner.shape).
    "learner.dtype",
    "learner.lora",
    "learner.num_ranks",
    "learner.optimizer",
    "learner.zero_stage",
}


def is_identity(path: str) -> bool:
    """True if a difference in the field ``path`` makes it another run; so it does where nobody has
    decided."""
    return decision(path) is not False


def decision(path: str) -> bool | None:
    """True of IDENTITY, False of FREE, None of neither: decide whether a resume may change the field."""
    name = _OF_A_PART.sub("task.", path)
    while name:
        if name in IDENTITY or name in FREE:
            return name in IDENTITY
        name = name.rpartition(".")[0]
    return None
