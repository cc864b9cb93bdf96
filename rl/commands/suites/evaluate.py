"""One model on several suites: one start of the engines, one pool of verifiers for each suite."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rewards import build_reward, check_reward
from rewards.final_answers import answer_of
from rl.commands.suites.facts import model_facts, write_facts
from rl.commands.suites.progress import SuiteProgress
from rl.commands.suites.targets import Target
from rl.config.model import trusts_code
from rl.config.schema import Config
from rl.engines.fleet import EngineFleet
from rl.engines.rollout_service import RolloutService
from rl.engines.serving import lent_fleet, side_by_side
from rl.evaluation.held_out import EVAL_GROUP_IDS, RANGE, Evaluator
from rl.evaluation.majority import majority_of
from rl.evaluation.suites.task import Shots, SuiteTask
from rl.records.phases import Phases
from rl.records.rollouts.files import RolloutFile, file_name
from rl.records.trace import TraceWriter
from rl.run.prepare.preflight import check_model, check_prompt_ids, load_config, load_tokenizer
from rl.run.rollout_rows import evaluation_columns
from rl.scorers.reward_watch import RewardWatch
from rl.scorers.verifiers import make_verifiers
from rl.tasks.encoding import make_decode
from rollout.types import Prompt, RolloutGroup

BLOCK = 32
"""Context lengths are rounded up to this."""
EVERYTHING = 1 << 50
"""Bytes: samples of an evaluation are never thinned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How models are asked; the same for all of them."""

    suites: dict[str, Path]
    """Name -> file."""
    problems: int | None
    """Problems of each suite; None = all."""
    samples: int
    """Completions a problem at ``temperature``; 0 = greedy only."""
    temperature: float
    greedy: bool
    max_tokens: int | None
    """None = each suite's own."""
    chat: bool | None
    """None = through the chat template where the tokenizer has one."""
    shots: Mapping[str, Shots] = field(default_factory=dict)
    """Worked examples of suites that have some."""
    stop: tuple[str, ...] | None = None
    """Texts that end a completion, beside ``rollout.stop``; None = each suite's own."""
    stop_token_ids: tuple[int, ...] = ()

    @property
    def temperatures(self) -> list[float]:
        """0 is greedy."""
        return [*([0.0] if self.greedy else []), *([self.temperature] if self.samples else [])]

    @property
    def ks(self) -> list[int]:
        """Powers of two up to the samples, and the samples."""
        powers = [1 << i for i in range(self.samples.bit_length())]
        return sorted({*powers, self.samples}) if self.samples else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One suite, ready to be asked."""

    task: SuiteTask
    file: Path
    prompts: list[Prompt]
    max_tokens: int
    stop: tuple[str, ...]


def jobs_of(target: Target, asked: Asked, tokenizer: Any, *, context: int) -> list[Job]:
    """Read, tokenise and check every suite.

    Raises:
        ValueError: a file is wrong, or a prompt and its completion do not fit into the model's context.
    """
    jobs = []
    for name, file in asked.suites.items():
        task = SuiteTask(
            name,
            file,
            tokenizer,
            max_prompt_tokens=context,
            chat=asked.chat,
            limit=asked.problems,
            shots=asked.shots.get(name, Shots()),
        )
        limit = task.suite.max_tokens if asked.max_tokens is None else asked.max_tokens
        prompts = task.load("test")
        longest = max(len(prompt.token_ids) for prompt in prompts)
        if longest + limit > context:
            raise ValueError(
                f"{target.label}: suite {name} has a prompt of {longest} tokens and asks for up to {limit}"
                f" more, but the model's context is {context}; give --max-tokens"
                f" {max(1, context - longest)} or less"
            )
        check_reward(build_reward(task.reward_name, task.reward_args), prompts)
        if beyond := [one for one in asked.stop_token_ids if one >= len(tokenizer)]:
            raise ValueError(f"--stop-token-id: {beyond[0]} is no token of {target.label}")
        stop = task.stop if asked.stop is None else asked.stop
        jobs.append(Job(task=task, file=file, prompts=prompts, max_tokens=limit, stop=stop))
    return jobs


def sized(config: Config, jobs: Sequence[Job], *, context: int) -> Config:
    """The config with engines as long as the longest prompt and completion need."""
    need = max(len(p.token_ids) + job.max_tokens for job in jobs for p in job.prompts)
    length = min(context, -(-need // BLOCK) * BLOCK)
    longest = max(job.max_tokens for job in jobs)
    rollout = config.rollout.model_copy(update={"max_model_len": length, "max_tokens": longest})
    return config.model_copy(update={"rollout": rollout})


def without_training(config: Config) -> Config:
    """The config with no learner rank, whose places engines then have, and none reserved for evaluations."""
    learner = config.learner.model_copy(update={"num_ranks": 0})
    evaluation = config.evaluation.model_copy(update={"engines": 0})
    return config.model_copy(update={"learner": learner, "evaluation": evaluation})


async def evaluate_model(target: Target, asked: Asked, phases: Phases) -> None:
    """Ask one model, and leave everything in ``target.out``. Ray must run."""
    assert target.model is not None and target.config is not None
    config = without_training(target.config)
    trust = trusts_code(config.model)
    tokenizer = load_tokenizer(target.model, trust=trust)
    context = context_of(load_config(target.model, trust=trust))
    jobs = jobs_of(target, asked, tokenizer, context=context)
    check_prompt_ids(target.model, [p for job in jobs for p in job.prompts], trust=trust)
    config = sized(config, jobs, context=context)
    check_model(config, target.model, tokenizer)
    rollout = config.rollout
    facts = model_facts(target.model, trust=trust, dtype=rollout.dtype, device=rollout.device)
    target.out.mkdir(parents=True, exist_ok=True)
    phases(f"{target.label}: starting the engines")
    trace = TraceWriter(target.out / "trace.json")
    try:
        with lent_fleet(config, target.model) as engines:
            async with side_by_side(engines, None):
                for job in jobs:
                    facts["suites"][job.task.name] = await _ask(
                        target, asked, job, config, engines, tokenizer, trace, phases
                    )
    finally:
        trace.close()
    write_facts(target.out, facts)


async def _ask(
    target: Target,
    asked: Asked,
    job: Job,
    config: Config,
    engines: EngineFleet,
    tokenizer: Any,
    trace: TraceWriter,
    phases: Phases,
) -> dict[str, Any]:
    """One suite; returns its facts."""
    task, directory = job.task, target.out / job.task.name
    (directory / "rollouts").mkdir(parents=True, exist_ok=True)
    scorer = make_verifiers(config, task.reward_name, task.reward_args)
    service = RolloutService(
        fleet=engines,
        scorer=scorer,
        decode=make_decode(tokenizer, task.thinking_tags, (*config.rollout.stop, *job.stop)),
        group_timeout_s=config.stream.group_timeout_s,
        max_issues=config.stream.max_issues,
        trace=trace,
        watch=RewardWatch(task.reward_name, first_batch=len(job.prompts)),
    )
    per_problem = asked.samples + (1 if asked.greedy else 0)
    about = f"{target.label}: {task.name}"
    vote = answer_of(task.reward_name, task.reward_args)
    evaluator = Evaluator(
        service=service,
        prompts=job.prompts,
        samples=asked.samples,
        max_tokens=job.max_tokens,
        top_p=config.rollout.top_p,
        stop=job.stop,
        stop_token_ids=asked.stop_token_ids,
        seed=config.run.seed,
        directory=directory,
        first_id=EVAL_GROUP_IDS + list(asked.suites).index(task.name) * RANGE,
        keep=partial(keep_samples, directory / "rollouts"),
        progress=SuiteProgress(about, per_problem * len(job.prompts), phases),
        more=majority_of(vote, asked.ks, seed=config.run.seed) if task.suite.votes else None,
    )
    phases(f"{about}, {len(job.prompts)} problems, {per_problem * len(job.prompts)} completions")
    try:
        await scorer.start()
        began = time.perf_counter()
        await evaluator.run(version=0, temperatures=asked.temperatures)
        seconds = time.perf_counter() - began
    finally:
        await scorer.close()
    return {**_how(asked, job, config), "seconds": seconds}


def _how(asked: Asked, job: Job, config: Config) -> dict[str, Any]:
    """How a suite was asked, for its facts."""
    return {
        "file": str(job.file.resolve()),
        "problems": len(job.prompts),
        "samples": asked.samples,
        "temperature": asked.temperature,
        "greedy": asked.greedy,
        "max_tokens": job.max_tokens,
        "top_p": config.rollout.top_p,
        "chat": job.task.through_chat,
        "shots": job.task.shots.count,
        "stop": [*config.rollout.stop, *job.stop],
        "seed": config.run.seed,
        "engines": config.rollout.num_engines,
        "gpus": config.rollout.num_engines * config.cluster.gpus_per_engine,
        "price_per_gpu_hour": config.cluster.price_per_gpu_hour,
    }


async def keep_samples(folder: Path, version: int, groups: Sequence[RolloutGroup]) -> None:
    """Every completion, as ``RUN/eval/rollouts`` has them."""
    from rl.records.rollouts.schema import table_of
    from rl.records.rollouts.thinning import Folder, with_count

    table = with_count(
        table_of(evaluation_columns(groups, version=version, attempt=1, tokens=False), tokens=False)
    )
    path = folder / file_name("version", version, 1)
    file = RolloutFile(path=path, kind="version", number=version, attempt=1)
    Folder(folder, max_bytes=EVERYTHING, notice=lambda _: None).put(file, table)


def context_of(model: Any) -> int:
    """Positions of a model, by its transformers config; 2048 where that does not say."""
    text = model.get_text_config()
    found = (getattr(text, name, None) for name in ("max_position_embeddings", "n_positions"))
    return next((int(value) for value in found if value), 2048)
