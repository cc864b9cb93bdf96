"""The real pipeline on a bench: engines, learner ranks and verifiers stay up, and the real Controller runs N
steps at a time."""

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.lib.parts import SOLVED
from curricula import build_curriculum
from curricula.pool import PromptPool
from curricula.stack import CurriculumStack
from rewards.processes.pool import VerifierPool
from rl.config.load import load_config
from rl.config.schema import Config
from rl.engines.actors import create_engine_actor, engine_config
from rl.engines.fleet import EngineFleet
from rl.engines.rollout_service import RolloutService
from rl.engines.slot import FleetTimeouts
from rl.learner.group import LearnerGroup
from rl.records.jsonl import JsonlWriter
from rl.records.metrics import MetricsWriter
from rl.records.rundir import RunDir
from rl.records.trace import TraceWriter
from rl.records.trackers.threads import Trackers
from rl.run.checkpoint import CheckpointStore
from rl.run.controller import Controller, Parts
from rl.run.prepare.inputs import locate_model
from rl.run.recorder import Recorder
from rl.run.saver import Saver
from rl.run.state import RunState
from rl.stream.buffer import StreamBuffer
from rl.stream.plans import GroupState, new_groups
from rl.weights.probe import GapJudge, calibration_requests
from rl.weights.sync import WeightSync
from rollout.statistics import StatisticsStore
from rollout.types import Prompt, SamplingConfig

CONFIG = Path(__file__).with_name("pipeline.yaml")
POOL_STEPS = 40
"""Steps until a prompt comes again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A fixed workload: every step has the same tokens."""

    name: str
    prompt_tokens: int
    median_tokens: int = 64
    """Of a completion."""
    sigma: float = 0.0
    """Of the logarithm of completion lengths."""
    solved_every: int = 0
    """Every n-th prompt is solved: its group has no gradient. 0 = none."""

    @property
    def overrides(self) -> list[str]:
        """Of ``pipeline.yaml``; nothing here needs new actors."""
        return [
            f"curriculum.length.args.median={self.median_tokens}",
            f"curriculum.length.args.sigma={self.sigma}",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How the pipeline is placed and run; its actors live as long as the benchmark."""

    name: str
    overrides: tuple[str, ...]

    def config(self, mix: Mix | None = None, *extra: str) -> Config:
        """The validated config."""
        return load_config(str(CONFIG), [*self.overrides, *(mix.overrides if mix else []), *extra])


@dataclass(slots=True)
class StepClock:
    """Stands where the progress display stands: hears of every finished step, at the very end of it."""

    warm: int
    """Steps before the window, at least 1."""
    last: int
    """The window's last step."""
    probe: Any
    """() -> CPU seconds by process kind, read at both ends of the window."""
    times: list[float] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)

    def update(self, steps_done: int, row: dict[str, float]) -> None:
        """One step is done."""
        now = time.perf_counter()
        self.times.append(now)
        self.rows.append(row)
        if len(self.times) in (self.warm, self.last):
            self.cpu.append(self.probe())
            if len(self.times) == self.warm:
                self.times[-1] = time.perf_counter()

    def note(self, text: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One timed stretch of the pipeline."""

    step_s: float
    """Wall-clock seconds per optimizer step, the pipeline being full."""
    rollout_tokens: float
    """Completion tokens per step."""
    parts: dict[str, float]
    """Mean seconds per step of the learner loop's turn (wait for the batch, train, publish, other), and of
    parts inside them: the rank's own step, the push of weights."""
    cpu: dict[str, float]
    """CPU seconds per step: engine, learner, controller, verifier, ray."""
    engine_idle_share: float
    """Share of the time in which the engines had nothing to sample."""
    parts_per_batch: float
    """In which batches reached the learner; 1 = whole."""


class Rig:
    """One setting's actors and what it takes to run the Controller on them."""

    def __init__(self, setting: Setting, *, model_path: Path, tokenizer: Any) -> None:
        self.setting = setting
        self.model_path = model_path
        self.tokenizer = tokenizer
        self.config = config = setting.config()
        self.version = 0
        self.dir = Path(tempfile.mkdtemp(prefix="t2rl-bench-"))
        self.weights = Path("/dev/shm") / self.dir.name
        engine = engine_config(config, model_path)
        self.fleet = EngineFleet(
            make_actor=lambda _: create_engine_actor(engine, {"num_cpus": 1}),
            num_engines=config.rollout.num_engines,
            max_restarts=0,
            timeouts=FleetTimeouts(),
        )
        self.learner = LearnerGroup(
            config=config.learner,
            algorithm=config.algorithm,
            model_path=str(model_path),
            seed=config.run.seed,
            total_steps=1_000_000,
            max_tokens=config.rollout.max_tokens,
            serves_bf16=config.rollout.dtype == "bfloat16",
            actor_options={"num_cpus": 1},
        )
        self.scorer = VerifierPool("benchmarks.lib.parts:HashReward")
        self.trace = TraceWriter(self.dir / "trace.json")
        self.service = RolloutService(
            fleet=self.fleet,
            scorer=self.scorer,
            decode=lambda batch: tokenizer.batch_decode(batch, skip_special_tokens=True),
            group_timeout_s=config.stream.group_timeout_s,
            max_issues=1,
            trace=self.trace,
        )
        self._learner_pids: list[int] = []

    async def start(self) -> None:
        """Bring the actors up, one kind after the other: there are two cores."""
        await self.fleet.start()
        self._learner_pids = [facts["pid"] for facts in await self.learner.start()]
        await self.scorer.start()

    async def stop(self) -> None:
        """End the actors and remove every file."""
        await self.fleet.stop()
        await self.learner.close()
        await self.scorer.close()
        self.trace.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.weights, ignore_errors=True)

    # -- work ------------------------------------------------------------------------------------------------

    async def run(self, mix: Mix, *, steps: int, warm: int, stream: Sequence[str] = ()) -> RunFacts:
        """Steps of the Controller from the current version on, with the overrides ``stream`` of how it
        streams; the facts are of ``steps`` of them.

        ``warm`` steps before fill the pipeline; an asynchronous one gets a few behind too, so that its
        engines have the next plans to work on to the end of the window, as in the midst of a long run.
        """
        staleness = self.setting.config(mix, *stream).stream.max_staleness
        total = warm + steps + (staleness + 1 if staleness else 0)
        config = self._config(mix, self.version + total, stream)
        clock = StepClock(warm=warm, last=warm + steps, probe=self.cpu_seconds)
        prompts = self.prompts(mix)
        curriculum, statistics = self._curriculum(config, prompts)
        recorder = self._recorder(clock, curriculum)
        buffer = StreamBuffer(
            max_staleness=staleness,
            pipeline_depth=config.stream.pipeline_depth,
            rollover_share=config.stream.rollover_share,
            spare=round(config.stream.redundant_share * config.stream.prompts_per_step),
        )
        buffer.begin_at(self.version)
        parts = Parts(
            prompts=prompts,
            buffer=buffer,
            curriculum=curriculum,
            fleet=self.fleet,
            service=self.service,
            learner=self.learner,
            sync=self.sync(probe_every=config.rollout.probe_every),
            saver=Saver(
                store=CheckpointStore(RunDir(self.dir), keep=1),
                buffer=buffer,
                curriculum=curriculum,
                statistics=statistics,
                every=0,
                timeout_s=60,
                trace=self.trace,
            ),
            recorder=recorder,
        )
        try:
            await Controller(config=config, parts=parts, state=RunState(version=self.version)).run()
        finally:
            recorder.close()
        self.version += total
        return _facts(clock, steps)

    def sync(self, *, probe_every: int, by_object: bool = False) -> WeightSync:
        """Learner to engines of this rig."""
        rollout = self.config.rollout
        judge = GapJudge(
            floor=rollout.probe_tolerance,
            factor=rollout.probe_factor,
            exact=rollout.dtype == self.config.learner.dtype == "float32",
        )
        return WeightSync(
            learner=self.learner,
            fleet=self.fleet,
            directory=self.weights,
            judge=judge,
            probe_every=probe_every,
            calibration=calibration_requests(self.prompts(Mix(name="probe", prompt_tokens=32)), self.config),
            by_object=by_object,
        )

    def plan(self, mix: Mix, step: int) -> list[GroupState]:
        """The groups that the Controller would draw for ``step``."""
        config, prompts = self._config(mix, step + 1), self.prompts(mix)
        curriculum, _ = self._curriculum(config, prompts, first=step)
        num_prompts, per_prompt = config.stream.prompts_per_step, config.stream.rollouts_per_prompt
        drawn = curriculum.plan(
            step, total_steps=step + 1, num_prompts=num_prompts, rollout_budget=num_prompts * per_prompt
        )
        assert drawn.max_tokens is not None
        return new_groups(
            plan_step=step,
            refill_round=0,
            prompts=[prompts[i] for i in drawn.prompt_indices],
            num_rollouts=[int(n) for n in drawn.num_rollouts],
            max_tokens=[int(n) for n in drawn.max_tokens],
            sampling=_sampling(config),
            run_seed=config.run.seed,
        )

    def prompts(self, mix: Mix) -> list[Prompt]:
        """Random tokens, each prompt its own, so that no prefix is shared but inside a group."""
        special = set(self.tokenizer.all_special_ids)
        plain = np.array([i for i in range(len(self.tokenizer)) if i not in special])
        rng = np.random.default_rng([mix.prompt_tokens, 7])
        count = POOL_STEPS * self.config.stream.prompts_per_step
        rows = rng.choice(plain, size=(count, mix.prompt_tokens))
        solved = [SOLVED if mix.solved_every and i % mix.solved_every == 0 else "" for i in range(count)]
        return [
            Prompt(id=f"{mix.name}/{i}", text="", token_ids=tuple(int(t) for t in row), answer=answer)
            for i, (row, answer) in enumerate(zip(rows, solved, strict=True))
        ]

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds so far by kind of process: engine, learner, controller (this one), verifier, ray (its
        daemons)."""
        kinds: dict[int, str] = {int(slot.info["pid"]): "engine" for slot in self.fleet.slots}
        kinds |= dict.fromkeys(self._learner_pids, "learner") | dict.fromkeys(self.scorer.pids, "verifier")
        kinds[os.getpid()] = "controller"
        totals = dict.fromkeys(("engine", "learner", "controller", "verifier", "ray"), 0.0)
        me = psutil.Process()
        for process in [me, *me.children(recursive=True)]:
            try:
                times, kind = (
                    process.cpu_times(),
                    kinds.get(process.pid) or ("ray" if process.name() in DAEMONS else None),
                )
            except psutil.NoSuchProcess:  # it ended since we listed it
                continue
            if kind is not None:
                totals[kind] += times.user + times.system
        return totals

    # -- pieces ----------------------------------------------------------------------------------------------

    def _config(self, mix: Mix, steps: int, stream: Sequence[str] = ()) -> Config:
        return self.setting.config(mix, f"run.steps={steps}", *stream)

    def _curriculum(
        self, config: Config, prompts: Sequence[Prompt], *, first: int | None = None
    ) -> tuple[CurriculumStack, StatisticsStore]:
        """A stack whose next plan is the one of step ``first`` (default: the version), as after a resume."""
        first = self.version if first is None else first
        pool = PromptPool.from_prompts(prompts)
        store = StatisticsStore(pool.ids, sampling_key=_sampling(config).key)
        stack = build_curriculum(
            config.curriculum.model_dump(),
            pool=pool,
            store=store,
            seed=config.run.seed,
            lag=config.stream.max_staleness,
            max_tokens=config.rollout.max_tokens,
        )
        cursor = first * config.stream.prompts_per_step
        stack.load_state_dict(
            stack.state_dict() | {"next_plan": first, "next_observed": first, "cursor": cursor}
        )
        return stack, store

    def _recorder(self, clock: StepClock, curriculum: CurriculumStack) -> Recorder:
        async def evaluate(version: int) -> None:
            raise AssertionError("a benchmark does not evaluate")

        return Recorder(
            metrics=MetricsWriter(self.dir / "metrics.jsonl", attempt=1, fsync_every=0),
            groups=JsonlWriter(self.dir / "groups.jsonl", attempt=1, restored_step=0, fsync_every=0),
            choices=JsonlWriter(self.dir / "curriculum.jsonl", attempt=1, restored_step=0, fsync_every=0),
            trace=self.trace,
            tracker=Trackers({}),
            progress=clock,  # type: ignore[arg-type]
            sources=(curriculum.metrics, self.fleet.metrics, self.fleet.load.metrics, self.service.metrics),
            evaluate=evaluate,
        )


DAEMONS = ("raylet", "gcs_server")


def make_rigs(settings: list[Setting]) -> dict[str, Rig]:
    """One per setting, on one base, not started."""
    from transformers import AutoTokenizer

    model_path = locate_model(settings[0].config())
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    return {setting.name: Rig(setting, model_path=model_path, tokenizer=tokenizer) for setting in settings}


def _sampling(config: Config) -> SamplingConfig:
    rollout = config.rollout
    return SamplingConfig(
        temperature=rollout.temperature,
        top_p=rollout.top_p,
        max_tokens=rollout.max_tokens,
        ignore_eos=rollout.ignore_eos,
    )


def _facts(clock: StepClock, steps: int) -> RunFacts:
    rows = clock.rows[clock.warm : clock.last]

    def mean(key: str) -> float:
        return float(np.mean([row.get(key, 0.0) for row in rows]))

    keys = {
        "wait_s": "time/learner_wait_s",
        "train_s": "time/train_s",
        "rank_step_s": "learner/step_s",
        "publish_s": "time/publish_s",
        "push_s": "sync/push_s",
    }
    start, end = clock.cpu
    step_s = (clock.times[clock.last - 1] - clock.times[clock.warm - 1]) / steps
    parts = {name: mean(key) for name, key in keys.items()}
    parts["other_s"] = step_s - parts["wait_s"] - parts["train_s"] - parts["publish_s"]
    return RunFacts(
        step_s=step_s,
        rollout_tokens=mean("rollout/tokens"),
        parts={name: round(seconds, 4) for name, seconds in parts.items()},
        cpu={kind: round((end[kind] - start[kind]) / steps, 4) for kind in start},
        engine_idle_share=round(mean("time/engine_idle_share"), 4),
        parts_per_batch=max(1.0, mean("learner/parts")),
    )
