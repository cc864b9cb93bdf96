"""The units of a run, for the engines that they are to ask."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from rl.config.schema import Config
from rl.engines.fleet import EngineFleet
from rl.engines.rollout_service import RolloutService
from rl.evaluation.held_out import EVAL_GROUP_IDS, RANGE, Evaluator, temperatures_of
from rl.records.rundir import RunDir
from rl.run.evaluation.units import HELD_OUT, SampledUnit, TextUnit, Unit, first_engine
from rl.run.prepare.inputs import Prepared
from rl.run.prepare.suites import PreparedSuite
from rl.run.rollout_records import RolloutRecords
from rl.scorers.reward_model.scorer import Verifiers
from rl.scorers.reward_watch import RewardWatch
from rl.scorers.verifiers import make_verifiers
from rl.tasks.encoding import make_decode

DURING_TRAINING = 2
"""Temperatures of the held-out set that are evaluated between steps: the config's own, and greedy."""

MakeService = Callable[..., RolloutService]
"""(scorer, decode, watch) -> a service over the engines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Everything that units need, for the engines that they are to ask."""

    config: Config
    prepared: Prepared
    run: RunDir
    fleet: EngineFleet
    scorer: Verifiers
    """Verifiers of the run's own task, started; a suite starts its own for the time of its evaluation."""
    service: MakeService
    watch: RewardWatch
    """Sees the verdicts of the run's own reward."""
    rollouts: RolloutRecords
    """Keeps the completions."""

    def units(self) -> list[Unit]:
        """The held-out set, then every suite in the config's order."""
        suites = enumerate(self.prepared.suites, start=1)
        return [
            self._held_out(),
            *(self._text(s) if s.task is None else self._answers(s, number) for number, s in suites),
        ]

    def _held_out(self) -> Unit:
        own = self.service(scorer=self.scorer, decode=self.prepared.decode(), watch=self.watch)
        evaluator = self._evaluator(
            service=own,
            prompts=self.prepared.eval_prompts,
            samples=self.config.evaluation.samples_per_prompt,
            directory=self.run.eval,
            keep=self.rollouts.evaluated,
        )

        @asynccontextmanager
        async def there() -> AsyncIterator[Evaluator]:
            yield evaluator

        return SampledUnit(
            name=HELD_OUT,
            every=self.config.evaluation.every,
            evaluator=there,
            temperatures=temperatures_of(self.config.evaluation),
            directory=self.run.eval,
            between=DURING_TRAINING,
        )

    def _answers(self, suite: PreparedSuite, number: int) -> Unit:
        evaluator = partial(
            self._evaluator,
            prompts=suite.prompts,
            samples=suite.config.samples_per_prompt,
            directory=self.run.eval / suite.name,
            first_id=EVAL_GROUP_IDS + number * RANGE,
            keep=partial(self.rollouts.evaluated, suite=suite.name),
            max_tokens=suite.config.max_tokens or self.config.rollout.max_tokens,
            stop=suite.stop,
            stop_token_ids=suite.config.stop_token_ids,
        )
        return SampledUnit(
            name=suite.name,
            every=self._every(suite),
            evaluator=partial(_of_suite, self.config, self.prepared, suite, self.service, evaluator),
            temperatures=suite.config.temperatures,
            directory=self.run.eval / suite.name,
        )

    def _text(self, suite: PreparedSuite) -> Unit:
        return TextUnit(
            name=suite.name,
            every=self._every(suite),
            passages=suite.passages,
            directory=self.run.eval / suite.name,
            score=first_engine(self.fleet),
            version=lambda: self.fleet.confirmed_version,
        )

    def _every(self, suite: PreparedSuite) -> int:
        return self.config.evaluation.every if suite.config.every is None else suite.config.every

    def _evaluator(self, **more: Any) -> Evaluator:
        rollout, seed = self.config.rollout, self.config.run.seed
        return Evaluator(**{"max_tokens": rollout.max_tokens, "top_p": rollout.top_p, "seed": seed, **more})


@asynccontextmanager
async def _of_suite(
    config: Config,
    prepared: Prepared,
    suite: PreparedSuite,
    service: MakeService,
    asking: Callable[..., Evaluator],
) -> AsyncIterator[Evaluator]:
    """An evaluator with verifiers that live as long as the evaluation: most of the time nobody needs them."""
    task = suite.task
    assert task is not None
    scorer = make_verifiers(config, task.reward_name, task.reward_args)
    watch = RewardWatch(task.reward_name, first_batch=len(suite.prompts))
    decode = make_decode(prepared.tokenizer, task.thinking_tags, (*config.rollout.stop, *suite.stop))
    try:
        await scorer.start()
        yield asking(service=service(scorer=scorer, decode=decode, watch=watch))
    finally:
        await scorer.close()
