"""Counts what a run costs, step by step: tokens, FLOPs, seconds, GPU-hours, money.

Totals go on from the last row of ``metrics.jsonl`` that a resume keeps, and not from the checkpoint: the rows
are there for every attempt, and a second copy could differ from them.

See docs/methods/cost.md#what-a-step-costs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rl.batch.types import ModelPass, StepResult
from rl.evaluation.gain import tokens_per_correct
from rl.records.cost.flops import ModelCost
from rl.records.cost.keys import FLOPS
from rl.stream.plans import PlanState
from rollout.types import RolloutGroup

SUMMED = (
    "cost/rollout_tokens",
    "cost/prompt_tokens",
    "cost/trained_tokens",
    "cost/discarded_tokens",
    "cost/flops",
    "cost/engine_s",
    "cost/engine_held_s",
    "cost/learner_s",
    "cost/learner_held_s",
    "cost/gpu_hours",
    "cost/money",
)
"""Figures of a step that are added up over the run, as ``cost/total_...``."""
PER_CORRECT = "cost/tokens_per_correct_gained"
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """The processes and devices that a run holds."""

    engines: int
    ranks: int
    gpus: float = 0.0
    """Reserved, for whatever."""
    peak: float | None = None
    """FLOP/s of engines' and learner's GPUs together; None where a device's is not known."""
    learner_peak: float | None = None
    """FLOP/s of the learner's."""
    price_per_gpu_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """How engines compute, as far as the arithmetic depends on it."""

    block: int | None
    """Tokens of a block of the prefix cache; None without it."""
    computed_again: bool
    """New weights make an engine compute the keys and values of sequences in flight again."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Counters of the fleet, since its start."""

    busy_s: float
    tokens_lost: int


class CostMeter:
    """Fed each step once, in order."""

    def __init__(
        self,
        *,
        model: ModelCost | None,
        machines: Machines,
        engines: Engines,
        usage: Callable[[], Usage],
        extra_correct: Callable[[int], float | None] = lambda version: None,
        probe: Sequence[int] = (),
        last: Mapping[str, float] | None = None,
    ) -> None:
        """Begin at the totals of a row.

        Args:
            model: None where its shape is not known; no FLOPs are counted then.
            machines: what the run holds.
            engines: how they compute.
            usage: the fleet's counters now.
            extra_correct: right answers gained up to a version, from its evaluation.
            probe: tokens of each sequence that engines and learner score after a push.
            last: row of the step before the first one; None for a new run.
        """
        self._model, self._machines, self._engines = model, machines, engines
        self._critic = None if model is None else replace(model, adapter=0.0)
        self._usage, self._extra_correct, self._probe = usage, extra_correct, probe
        row = last or {}
        self._totals = {key: row.get(_total(key), 0.0) for key in SUMMED}
        self._per_correct = row.get(PER_CORRECT)
        self._evaluated: int | None = None
        self._seen = Usage(0.0, 0)
        self.begin()

    def begin(self) -> None:
        """Training goes on from now: what engines did since the last step is not its."""
        self._seen = self._usage()

    @contextmanager
    def evaluation(self, version: int) -> Iterator[None]:
        """Inside the block engines work for an evaluation, which is no cost of the training."""
        before = self._usage()
        yield
        spent = self._usage().busy_s - before.busy_s
        self._seen = replace(self._seen, busy_s=self._seen.busy_s + spent)
        self._evaluated = version

    def step(
        self,
        *,
        plan: PlanState,
        result: StepResult,
        elapsed_s: float,
        learner_s: float,
        train_s: float,
        probed: bool,
    ) -> dict[str, float]:
        """Figures of a step, and the run's so far.

        Args:
            plan: that was trained.
            result: of the learner.
            elapsed_s: of the step, evaluations left out.
            learner_s: in which the learner trained, published or saved.
            train_s: of those, in which it trained.
            probed: engines and learner were compared in this step.
        """
        usage = self._usage()
        row = self._tokens(plan, result, lost=usage.tokens_lost - self._seen.tokens_lost)
        machines = self._machines
        row |= {
            "cost/engine_s": usage.busy_s - self._seen.busy_s,
            "cost/engine_held_s": elapsed_s * machines.engines,
            "cost/learner_s": learner_s * machines.ranks,
            "cost/learner_held_s": elapsed_s * machines.ranks,
            "cost/gpu_hours": elapsed_s * machines.gpus / HOUR_S,
        }
        self._seen = usage
        if machines.price_per_gpu_hour is not None:
            row["cost/money"] = row["cost/gpu_hours"] * machines.price_per_gpu_hour
        if self._model is not None:
            row |= self._flops(self._model, plan, result.passes, probed=probed)
            row |= self._shares(row, elapsed_s, train_s)
        row |= self._so_far(row)
        return row

    def _tokens(self, plan: PlanState, result: StepResult, *, lost: int) -> dict[str, float]:
        groups = list(sampled_groups(plan))
        rollouts = [(g, r) for g in groups for r in g.sampled]
        sampled = lost + sum(len(r.completion.token_ids) for _, r in rollouts)
        trained = result.metrics.get("learner/trained_tokens", 0.0) if result.applied else 0.0
        return {
            "cost/rollout_tokens": sampled,
            "cost/prompt_tokens": sum(len(g.prompt.token_ids) for g, _ in rollouts),
            "cost/trained_tokens": trained,
            "cost/discarded_tokens": sampled - trained,
        }

    def _flops(
        self, model: ModelCost, plan: PlanState, passes: Sequence[ModelPass], *, probed: bool
    ) -> dict[str, float]:
        assert self._critic is not None
        kinds = dict.fromkeys(FLOPS, 0.0)
        kinds["sampling"] = sum(self._sampling(model, group) for group in sampled_groups(plan))
        value_head = 2.0 * model.shape.width
        for one in passes:
            match one.kind:
                case "train":
                    kinds["training"] += model.train(one.inputs, one.predicted)
                case "score":
                    kinds["scoring"] += model.score(one.inputs, one.predicted)
                case "reference":
                    kinds["reference"] += model.forward(one.inputs, one.predicted)
                case "critic_score":
                    kinds["critic"] += self._critic.forward(one.inputs, one.predicted, head=value_head)
                case "critic_train":
                    kinds["critic"] += self._critic.train(one.inputs, one.predicted, head=value_head)
                case _:
                    raise AssertionError(one.kind)
        if probed:
            predicted = sum(n - 1 for n in self._probe)
            # The learner feeds all but the last token, an engine all of them.
            kinds["scoring"] += model.score([n - 1 for n in self._probe], predicted)
            kinds["scoring"] += self._machines.engines * model.forward(list(self._probe), predicted)
        return {FLOPS[kind]: value for kind, value in kinds.items()} | {"cost/flops": sum(kinds.values())}

    def _sampling(self, model: ModelCost, group: RolloutGroup) -> float:
        prompt = len(group.prompt.token_ids)
        again = [
            prompt + span.start
            for r in group.sampled
            for span in r.completion.spans[1:]
            if self._engines.computed_again
        ]
        lengths = [len(r.completion.token_ids) for r in group.sampled]
        return model.sample(prompt, lengths, block=self._engines.block, again=again)

    def _shares(self, row: Mapping[str, float], elapsed_s: float, train_s: float) -> dict[str, float]:
        shares = {}
        if self._machines.peak and elapsed_s:
            shares["cost/mfu"] = row["cost/flops"] / (elapsed_s * self._machines.peak)
        if self._machines.learner_peak and train_s:
            learner = row["cost/flops"] - row["cost/flops_sampling"]
            shares["cost/learner_mfu"] = learner / (train_s * self._machines.learner_peak)
        return shares

    def _so_far(self, row: Mapping[str, float]) -> dict[str, float]:
        known = [key for key in SUMMED if key in row]
        for key in known:
            self._totals[key] += row[key]
        if self._evaluated is not None:
            tokens = self._totals["cost/rollout_tokens"]
            self._per_correct = tokens_per_correct(tokens, self._extra_correct(self._evaluated))
            self._evaluated = None
        totals = {_total(key): self._totals[key] for key in known}
        return totals if self._per_correct is None else totals | {PER_CORRECT: self._per_correct}


def sampled_groups(plan: PlanState) -> Iterator[RolloutGroup]:
    """The plan's groups, each followed by its answers at thinking budgets."""
    for group in plan.finished_groups():
        yield group
        yield from group.answers


def _total(key: str) -> str:
    name = key.partition("/")[2]
    return f"cost/total_{name}"
