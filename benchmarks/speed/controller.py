"""How long the controller's event loop stands still, and what a step costs it, at the load of a large run.

    python -m benchmarks.speed.controller [--quick] [--prompts 512] [--tokens 8192] [--json FILE]

512 prompts x 16 rollouts x 8,192 tokens a step (67M tokens) from 64 engines. The engines are scripted on
purpose: no machine here samples 67M tokens a step, and what is measured is the process that plans, receives,
decodes, filters, joins, hands over and records them. Each engine answers with random tokens, pickled as a
real engine's answer is, after a short random time. The learner's rank is scripted as well: a Ray actor takes
the batch through the object store, as a rank does, and trains nothing. Verdicts are a function of the text.
Everything else is the run's own: curriculum, buffer, service, tokenizer, learner group, records, checkpoints.

* ``blocked_ms_max``: the longest that one callback kept the event loop, wall clock.
* ``blocked_ms_p999``: 999 of 1,000 callbacks are shorter.
* ``blocked_cpu_ms_max``: the most CPU time of one callback; the wall clock counts others' work too.
* ``cpu_s_per_step``: CPU seconds of the controller's process, decoding included.
* ``memory_gib``: the largest resident set of the process.
"""

import asyncio
import pickle
import random
import resource
import shutil
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray

from benchmarks.lib.common import CONSOLE, command_line, machine, parser, save
from benchmarks.lib.loop_watch import LoopWatch
from curricula import build_curriculum
from curricula.pool import PromptPool
from rl.batch.types import StepResult, TrainingBatch
from rl.config.load import load_config
from rl.config.schema import Config
from rl.engines.rollout_service import RolloutService
from rl.learner.group import LearnerGroup
from rl.records.jsonl import JsonlWriter
from rl.records.metrics import MetricsWriter
from rl.records.rundir import RunDir
from rl.records.trace import TraceWriter
from rl.records.trackers.threads import Trackers
from rl.run.checkpoint import CheckpointStore
from rl.run.controller import Controller, Parts
from rl.run.loops import collector_spared
from rl.run.prepare.inputs import locate_model
from rl.run.recorder import Recorder
from rl.run.rollout_records import RolloutRecords
from rl.run.saver import Saver
from rl.run.state import RunState
from rl.stream.buffer import StreamBuffer
from rl.stream.waiting import Signal
from rl.tasks.encoding import make_decode
from rl.weights.sync import SyncReport
from rollout.packing import CompletionBatch
from rollout.statistics import StatisticsStore
from rollout.types import (
    Completion,
    FinishReason,
    GroupRequest,
    Prompt,
    RewardResult,
    SamplingConfig,
    VersionSpan,
)

ENGINES = 64
STEPS = 4
ANSWERS = 8
"""Different pickled answers; engines give them in turn."""


class ScriptedEngines:
    """64 engines, each with one group at a time, whose answers are pickled before the clock starts."""

    def __init__(self, *, group_size: int, tokens: int, vocabulary: int, mean_s: float) -> None:
        rng = np.random.default_rng(0)
        self.changed = Signal()
        self.confirmed_version = 0
        self._free = asyncio.Semaphore(ENGINES)
        self._mean_s = mean_s
        self._random = random.Random(0)
        self._turn = 0
        self._answers = [
            pickle.dumps(CompletionBatch(_completion(rng, tokens, vocabulary) for _ in range(group_size)))
            for _ in range(ANSWERS)
        ]
        self.outstanding = 0

    async def generate(self, request: GroupRequest, *, timeout_s: float) -> list[Completion]:
        """The next answer, after a while."""
        self.outstanding += len(request.seeds)
        async with self._free:
            await asyncio.sleep(self._random.expovariate(1 / self._mean_s))
        self.outstanding -= len(request.seeds)
        self._turn += 1
        answer: list[Completion] = pickle.loads(self._answers[self._turn % ANSWERS])
        version = self.confirmed_version
        for completion in answer:
            object.__setattr__(completion, "spans", (VersionSpan(0, len(completion.token_ids), version),))
        return answer

    async def abort(self, group_id: int) -> None:
        """Nothing is ever issued twice."""

    async def watch(self) -> None:
        """No engine dies."""
        await asyncio.Event().wait()

    def metrics(self) -> dict[str, float]:
        """None."""
        return {}


def _completion(rng: np.random.Generator, tokens: int, vocabulary: int) -> Completion:
    return Completion(
        token_ids=rng.integers(0, vocabulary, tokens, dtype=np.int32),
        behavior_logprobs=-rng.random(tokens, dtype=np.float32),
        loss_mask=np.ones(tokens, dtype=bool),
        spans=(VersionSpan(0, tokens, 0),),
        finish_reason=FinishReason.STOP,
    )


class ScriptedRank:
    """A learner rank that looks at every sample's length, and trains nothing."""

    def train(self, batch: TrainingBatch) -> StepResult:
        """As ``rl.learner.rank.LearnerRank.train``."""
        return StepResult(applied=True, metrics={"learner/tokens": float(batch.offsets[-1])})

    def save(self, directory: str, background: bool = True) -> None:
        """Nothing to save."""
        Path(directory).mkdir(parents=True, exist_ok=True)

    def wait_saved(self) -> None:
        """Nothing was."""


class ScriptedSync:
    """Weights that arrive at once."""

    def __init__(self, engines: ScriptedEngines) -> None:
        self._engines = engines

    async def publish(self, version: int, batch: TrainingBatch | None) -> int:
        """The version."""
        return version

    async def push(self, version: int) -> SyncReport:
        """Every engine confirms."""
        self._engines.confirmed_version = version
        self._engines.changed.notify()
        return SyncReport(version=version, publish_s=0.0, push_s=0.0, probe_gap=None)


class HashScorer:
    """Verdicts by checksum, in a thread: about half of each group is right."""

    async def score(
        self, prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]
    ) -> list[RewardResult]:
        """[G] verdicts."""
        return await asyncio.to_thread(_verdicts, prompt.id, texts)


def _verdicts(prompt: str, texts: Sequence[str]) -> list[RewardResult]:
    sums = [zlib.crc32(f"{prompt} {i} {text[:64]}".encode()) % 2 for i, text in enumerate(texts)]
    return [RewardResult(value=float(s), correct=bool(s)) for s in sums]


def run_config(args: Any) -> Config:
    """The quickstart, at the size of the load."""
    return load_config(
        "quickstart",
        [
            f"run.steps={STEPS}",
            f"stream.prompts_per_step={args.prompts}",
            f"stream.rollouts_per_prompt={args.rollouts}",
            f"rollout.max_tokens={args.tokens}",
            f"rollout.max_model_len={args.tokens + 256}",
            "curriculum=mixed",
            "checkpoint.every=2",
            "tracker=none",
        ],
    )


async def measure(config: Config, args: Any, directory: Path, watch: LoopWatch) -> dict[str, Any]:
    """All steps of the real controller."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(locate_model(config))
    engines = ScriptedEngines(
        group_size=args.rollouts, tokens=args.tokens, vocabulary=len(tokenizer), mean_s=args.engine_s
    )
    rng = np.random.default_rng(1)
    prompts = [
        Prompt(
            id=f"load/{i}",
            text=f"prompt {i}",
            token_ids=tuple(int(t) for t in rng.integers(0, len(tokenizer), 128)),
            answer="",
        )
        for i in range(8 * args.prompts)
    ]
    controller, close = build(config, prompts, tokenizer, engines, directory)
    wall, cpu = time.perf_counter(), time.process_time()
    with watch.attached(), collector_spared():
        await controller.run()
    facts = {
        "s_per_step": (time.perf_counter() - wall) / STEPS,
        "cpu_s_per_step": (time.process_time() - cpu) / STEPS,
    }
    await close()
    return facts


class SilentProgress:
    """Stands where the progress display stands."""

    def update(self, steps_done: int, row: dict[str, float]) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


def build(
    config: Config, prompts: list[Prompt], tokenizer: Any, engines: Any, directory: Path
) -> tuple[Controller, Any]:
    """The controller around scripted engines and ranks, and what ends it."""
    pool = PromptPool.from_prompts(prompts)
    rollout, stream = config.rollout, config.stream
    sampling = SamplingConfig(
        temperature=rollout.temperature, top_p=rollout.top_p, max_tokens=rollout.max_tokens
    )
    store = StatisticsStore(pool.ids, sampling_key=sampling.key)
    curriculum = build_curriculum(
        config.curriculum.model_dump(),
        pool=pool,
        store=store,
        seed=config.run.seed,
        lag=stream.max_staleness,
        max_tokens=rollout.max_tokens,
    )
    buffer = StreamBuffer(
        max_staleness=stream.max_staleness,
        pipeline_depth=stream.pipeline_depth,
        rollover_share=stream.rollover_share,
        spare=round(stream.redundant_share * stream.prompts_per_step),
    )
    run = RunDir.create(directory, "load")
    run.begin_attempt(restored_step=0)
    trace = TraceWriter(run.trace)
    learner = LearnerGroup(
        config=config.learner,
        algorithm=config.algorithm,
        model_path="",
        seed=0,
        total_steps=STEPS,
        max_tokens=1,
    )
    learner._actors = [ray.remote(ScriptedRank).remote()]
    rollouts = RolloutRecords(config.records, run, attempt=1)

    async def evaluate(version: int) -> None:
        raise AssertionError("a benchmark does not evaluate")

    service = RolloutService(
        fleet=engines,
        scorer=HashScorer(),
        decode=make_decode(tokenizer, ()),
        group_timeout_s=600,
        max_issues=1,
        trace=trace,
    )
    recorder = Recorder(
        metrics=MetricsWriter(run.metrics, attempt=1, fsync_every=0),
        groups=JsonlWriter(run.trained_groups, attempt=1, restored_step=0, fsync_every=0),
        choices=JsonlWriter(run.curriculum, attempt=1, restored_step=0, fsync_every=0),
        trace=trace,
        tracker=Trackers({}),
        progress=SilentProgress(),  # type: ignore[arg-type]
        sources=(curriculum.metrics, engines.metrics, service.metrics, rollouts.metrics),
        evaluate=evaluate,
    )
    saver = Saver(
        store=CheckpointStore(run, keep=1),
        buffer=buffer,
        curriculum=curriculum,
        statistics=store,
        every=config.checkpoint.every,
        timeout_s=600,
        trace=trace,
        first=rollouts.flush,
    )
    parts = Parts(
        prompts=prompts,
        buffer=buffer,
        curriculum=curriculum,
        fleet=engines,
        service=service,
        learner=learner,
        sync=ScriptedSync(engines),  # type: ignore[arg-type]
        saver=saver,
        recorder=recorder,
        rollouts=rollouts,
    )

    async def close() -> None:
        await rollouts.flush()
        recorder.close()
        run.close()

    return Controller(config=config, parts=parts, state=RunState()), close


def main() -> None:
    options = parser(__doc__ or "")
    for name, default in (("prompts", 512), ("rollouts", 16), ("tokens", 8192)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument(
        "--engine-s", type=float, default=0.5, help="mean seconds that an engine takes for a group"
    )
    args = options.parse_args()
    if args.quick:
        args.prompts = min(args.prompts, 64)
    facts, watch = machine(), LoopWatch()
    config = run_config(args)
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    directory = Path(tempfile.mkdtemp(prefix="t2rl-bench-"))
    try:
        result = asyncio.run(measure(config, args, directory, watch))
    finally:
        ray.shutdown()
        shutil.rmtree(directory, ignore_errors=True)
    milliseconds = np.array(watch.seconds) * 1e3
    summary = {
        "blocked_ms_max": float(milliseconds.max()),
        "blocked_ms_p999": float(np.quantile(milliseconds, 0.999)),
        "blocked_cpu_ms_max": max(watch.cpu_seconds) * 1e3,
        **result,
        "memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    longest = sorted(watch.longest.items(), key=lambda item: item[1], reverse=True)[:12]
    worst = {name: {"wall_ms": wall * 1e3, "cpu_ms": cpu * 1e3} for name, (wall, cpu) in longest}
    load = {"prompts": args.prompts, "rollouts": args.rollouts, "tokens": args.tokens, "engines": ENGINES}
    CONSOLE.print(load, summary)
    for name, took in worst.items():
        CONSOLE.print(f"{took['wall_ms']:8.1f} ms, {took['cpu_ms']:8.1f} of CPU  {name}")
    save(
        "controller",
        {
            "machine": facts,
            "command": command_line(),
            "load": load,
            **summary,
            "longest_ms": worst,
        },
        args=args,
    )


if __name__ == "__main__":
    main()
