"""TRL's trainers on given rollouts: their own advantages, importance ratios and losses; only model and
sampling are replaced.

No trainer's ``__init__`` runs (it wants a dataset, a tokenizer and a model); what it would set is set here.
"""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.rewards import get_soft_overlong_punishment

from tests.unit.objective.oracle_case import MAX_TOKENS, Case

FROM_CONFIG = (
    "beta",
    "importance_sampling_level",
    "loss_type",
    "mask_truncated_completions",
    "max_completion_length",
    "multi_objective_aggregation",
    "normalize_advantages",
    "num_generations",
    "num_iterations",
    "off_policy_mask_threshold",
    "pad_to_multiple_of",
    "reward_clip_range",
    "scale_rewards",
    "top_entropy_quantile",
    "use_vllm",
    "vllm_importance_sampling_clip_max",
    "vllm_importance_sampling_clip_min",
    "vllm_importance_sampling_correction",
    "vllm_importance_sampling_mode",
)


class Table(nn.Module):
    """The tiny softmax policy as a model."""

    is_gradient_checkpointing = False

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(table.clone())


class Replay:
    """What stands in for the model and the engine; mixed into TRL's trainers."""

    def set_up(self: Any, case: Case, args: Any, *, overlong_cache: int | None = None) -> None:
        self.case, self.args = case, args
        for name in FROM_CONFIG:
            if hasattr(args, name):
                setattr(self, name, getattr(args, name))
        self.epsilon_low = args.epsilon
        self.epsilon_high = args.epsilon if args.epsilon_high is None else args.epsilon_high
        self.accelerator = Accelerator(cpu=True)
        self.model, self.ref_model = Table(case.start), Table(case.base)
        self.current_gradient_accumulation_steps = 1
        self._tokenizer = SimpleNamespace(pad_token_id=0)
        self.environment_factories = self.environments = self.tools = None
        self.aux_loss_enabled = self._entropy_bonus_enabled = self.log_multimodal = False
        self.overlong = (
            None if overlong_cache is None else get_soft_overlong_punishment(MAX_TOKENS, overlong_cache)
        )
        self.reward_func_names = ["given"] if self.overlong is None else ["given", "overlong"]
        self.reward_funcs = self.reward_func_names
        self.reward_weights = torch.ones(len(self.reward_func_names))
        self._metrics: dict[str, Any] = {"train": defaultdict(list), "eval": defaultdict(list)}
        self._logs: dict[str, Any] = {
            "prompt": [],
            "completion": [],
            "rewards": defaultdict(list),
            "advantages": [],
            "extra": defaultdict(list),
        }
        self._pending_extra_logs: Any = defaultdict(list)
        self._pending_metrics: Any = defaultdict(list)

    def prepared(self: Any) -> dict[str, torch.Tensor]:
        """What TRL computes before the first update."""
        return self._generate_and_score_completions([{"prompt": ""} for _ in self.case.batch.rewards])

    def loss_and_gradient(
        self: Any, table: torch.Tensor, inputs: dict[str, torch.Tensor]
    ) -> tuple[float, torch.Tensor]:
        """Of TRL's loss under the policy ``table``, [V, V]."""
        model = Table(table)
        loss = self._compute_loss(model, inputs)
        loss.backward()
        assert model.table.grad is not None
        return float(loss.detach()), model.table.grad

    def _get_per_token_logps_and_entropies(
        self: Any,
        model: Table,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        *_: Any,
        **__: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        logps = model.table.log_softmax(-1)[input_ids[:, :-1], input_ids[:, 1:]][:, -logits_to_keep:]
        return logps, torch.zeros_like(logps).detach(), None

    def _calculate_rewards(
        self: Any, inputs: Any, prompts: Any, completions: Any, completion_ids: list[list[int]]
    ) -> torch.Tensor:
        columns = [torch.from_numpy(self.case.batch.rewards)]
        if self.overlong is not None:
            columns.append(torch.tensor(self.overlong(completion_ids)))
        return torch.stack(columns, dim=1)

    def _rows(self: Any, values: Any, *, prompts: bool) -> list[list[Any]]:
        """``values`` [N] of each sample's prompt or completion."""
        batch = self.case.batch
        rows = []
        for start, length, end in zip(batch.offsets[:-1], batch.prompt_lens, batch.offsets[1:], strict=True):
            rows.append(
                values[start : start + length].tolist() if prompts else values[start + length : end].tolist()
            )
        return rows


class ReplayedGRPO(Replay, GRPOTrainer):
    """GRPOTrainer on a case's rollouts."""

    def __init__(self, case: Case, args: GRPOConfig, **more: Any) -> None:
        self.set_up(case, args, **more)

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        batch = self.case.batch
        completions = self._rows(batch.token_ids, prompts=False)
        return (
            self._rows(batch.token_ids, prompts=True),
            completions,
            self._rows(batch.loss_mask.astype(int), prompts=False),
            completions,
            self._rows(batch.behavior_logprobs, prompts=False),
            {},
            None,
            [],
        )


class ReplayedRLOO(Replay, RLOOTrainer):
    """RLOOTrainer on a case's rollouts."""

    def __init__(self, case: Case, args: RLOOConfig, **more: Any) -> None:
        self.set_up(case, args, **more)

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        completions = self._rows(self.case.batch.token_ids, prompts=False)
        return self._rows(self.case.batch.token_ids, prompts=True), completions, completions
