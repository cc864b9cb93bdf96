"""Check, start and stop what ``t2rl serve`` needs."""

import asyncio
import json
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rl.cluster.gpus import require_gpus
from rl.cluster.ray_runtime import start_ray, stop_ray
from rl.commands.callers import for_callers
from rl.commands.evaluate import resolve
from rl.commands.listen import bound, listen
from rl.config.model import trusts_code
from rl.config.schema import Config
from rl.config.thinking_tags import thinking_tags_of
from rl.engines.serving import seated_fleet, side_by_side
from rl.run.prepare.preflight import load_tokenizer
from rl.scorers.reward_model.scorer import Verifiers
from rl.scorers.verifiers import make_verifiers
from rl.serve.answering import Answerer
from rl.serve.app import ServeService
from rl.serve.choice import Chooser, Defaults
from rl.serve.engines import SharedFleet
from rl.serve.gate import Gate
from rl.serve.judges import Judge
from rl.serve.plan_file import read_plan
from rl.serve.prompts import Encoder
from rl.serve.sequences import Sampler
from rl.serve.votes import answer_of
from rl.tasks import build_task
from rl.tasks.encoding import make_decode

NO_REWARD = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The command's options; ``defaults`` are completed from the config."""

    defaults: Defaults
    plan: Path | None = None
    reward: str | None = None
    reward_args: str | None = None
    name: str | None = None
    chat_template: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    parallel: int = 32
    queue: int = 128
    timeout_s: float = 120.0
    max_body: int = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Everything that can be had without an engine."""

    config: Config
    model: Path
    name: str
    tokenizer: Any
    reward: tuple[str, dict[str, Any]] | None
    verifiers: Verifiers | None
    chooser: Chooser
    options: ServeOptions


def serve_cli(target: str, overrides: list[str], options: ServeOptions) -> None:
    """Serve until interrupted.

    Raises:
        ValueError: the user's input, before anything starts.
        FleetDead: the engines died and no restart was left.
    """
    checked = check(target, overrides, options)
    with bound(options.host, options.port) as sock:
        start_ray(checked.config)
        try:
            asyncio.run(_serve(checked, sock))
        finally:
            stop_ray()


def check(target: str, overrides: list[str], options: ServeOptions) -> Checked:
    """Model, tokenizer, plan, reward and strategy of a service.

    Raises:
        ValueError: naming the option or field, and the fix.
    """
    config, model = resolve(Path(target), overrides)
    require_gpus(config)
    tokenizer = load_tokenizer(model, trust=trusts_code(config.model))
    if options.chat_template is not None:
        tokenizer.chat_template = _read(options.chat_template, "--chat-template")
    reward = _reward(options, config, tokenizer, is_run=model != Path(target))
    verifiers = None if reward is None else make_verifiers(config, *reward)
    judge = (
        None
        if reward is None or verifiers is None
        else Judge(*reward, verifiers, timeout_s=options.timeout_s)
    )
    rollout = config.rollout
    defaults = replace(
        options.defaults,
        max_tokens=rollout.max_tokens,
        max_model_len=rollout.max_model_len,
        temperature=rollout.temperature,
        top_p=rollout.top_p,
    )
    plan = None if options.plan is None else read_plan(options.plan)
    return Checked(
        config=config,
        model=model,
        name=options.name or Path(target).resolve().name,
        tokenizer=tokenizer,
        reward=reward,
        verifiers=verifiers,
        chooser=Chooser(defaults=defaults, plan=plan, judge=judge),
        options=options,
    )


def _reward(
    options: ServeOptions, config: Config, tokenizer: Any, *, is_run: bool
) -> tuple[str, dict[str, Any]] | None:
    """The named reward; without a name that of the run's task, and none for a model directory."""
    if options.reward == NO_REWARD or (options.reward is None and not is_run):
        if options.reward_args is not None:
            raise ValueError("--reward-args: arguments of which reward? Give --reward NAME too")
        return None
    if options.reward is not None:
        return options.reward, _reward_args(options.reward_args)
    rollout = config.rollout
    task = build_task(
        config.task, tokenizer, max_model_len=rollout.max_model_len, max_tokens=rollout.max_tokens
    )
    return task.reward_name, (
        task.reward_args if options.reward_args is None else _reward_args(options.reward_args)
    )


def _reward_args(text: str | None) -> dict[str, Any]:
    try:
        args = json.loads(text or "{}")
    except ValueError as error:
        raise ValueError(
            f'--reward-args: not JSON ({error}); for example \'{{"extraction": "boxed"}}\''
        ) from error
    if not isinstance(args, dict):
        raise ValueError(f"--reward-args is {text}; it must be a JSON object")
    return args


def _read(path: Path, option: str) -> str:
    if not path.is_file():
        raise ValueError(f"{option} {path}: no such file")
    return path.read_text(encoding="utf-8")


async def _serve(checked: Checked, sock: socket.socket) -> None:
    options, config = checked.options, checked.config
    fleet = seated_fleet(config, checked.model)
    shared = SharedFleet(fleet, timeout_s=options.timeout_s)
    async with side_by_side(fleet, checked.verifiers):
        app = for_callers(make_service(checked, shared).app, options.token)
        name, port = checked.name, sock.getsockname()[1]
        line = f"serving {name} at http://{options.host}:{port}/v1 (Ctrl-C ends it)"
        try:
            await listen(
                app, sock, watch=fleet.watch(), ready=lambda: print(line, file=sys.stderr, flush=True)
            )
        finally:
            await shared.settle()


def make_service(checked: Checked, shared: SharedFleet) -> ServeService:
    """The application over started engines."""
    options = checked.options
    answerers = {checked.name: make_answerer(checked, shared)}
    return ServeService(answerers, make_gate(options), token=options.token, max_body=options.max_body)


def make_answerer(checked: Checked, shared: SharedFleet) -> Answerer:
    """One model's answers."""
    tokenizer = checked.tokenizer
    tags = thinking_tags_of(checked.config.task, tokenizer)
    decode = make_decode(tokenizer, tags, checked.config.rollout.stop)
    return Answerer(
        policy=shared.policy(decode),
        sampler=Sampler(stream=shared.stream, decode=decode, token_text=tokenizer.batch_decode),
        thinking_tags=tags,
        chooser=checked.chooser,
        encoder=Encoder(tokenizer),
        vote=answer_of(*(checked.reward or (None, {}))),
    )


def make_gate(options: ServeOptions) -> Gate:
    """The queue."""
    return Gate(parallel=options.parallel, waiting=options.queue, timeout_s=options.timeout_s)
