"""``t2rl bases post-train``: every base through ``t2rl train``, each run resumable, the final model kept
beside its base."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from rl.config.errors import ConfigError
from rl.config.exit_codes import INTERRUPTED
from rl.config.load import load_config
from rl.config.overrides import spell
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.ladder.checkpoints import Checkpoint, all_checkpoints, chosen
from rl.ladder.layout import LadderDir
from rl.records.jsonl import read_jsonl
from rl.records.terminal import progress_console

FLOPS_PER_TOKEN = 8
"""Times N: 2 to sample a token, 6 to train on it."""


def post_train(path: Path, *, config: str, overrides: list[str], only: list[str]) -> list[dict[str, Any]]:
    """Run what is missing, one base after the other; facts of every post-trained base.

    Args:
        path: the ladder's directory.
        config: name or file of a run.
        overrides: of the run.
        only: names of bases; empty = all.

    Raises:
        ConfigError: before anything starts: no such base, a run config that does not validate, or a base that
            is post-trained already, by another config.
        KeyboardInterrupt: interrupted; the same call goes on from the run's last checkpoint.
        RuntimeError: a run failed; the message names its log.
    """
    directory = LadderDir(path)
    bases = chosen(_bases(directory), only)
    if not bases:
        raise ConfigError(f"{path} has no finished base yet: t2rl bases build goes on with it")
    plans = {base.name: run_overrides(directory, base, config, overrides) for base in bases}
    for plan in plans.values():
        load_config(config, plan)
    asked = {"config": config, "overrides": list(overrides)}
    for base in bases:
        _refuse_other(directory, base.name, asked)
    console = progress_console()
    with directory.locked("post-train"):
        for number, base in enumerate(bases, 1):
            if not (directory.post(base.name) / "post.json").is_file():
                console.print(
                    f"post-training {base.name} ({number} of {len(bases)}), log {_log(directory, base.name)}"
                )
                _run(directory, base, config, plans[base.name])
                _keep(directory, base, asked)
    return [_read(directory, base.name) for base in bases]


def _bases(directory: LadderDir) -> list[Checkpoint]:
    """Return the bases, the ladder's own and external ones, but those that ``external.yaml`` brings
    post-trained already."""
    every = all_checkpoints(directory)
    external = {c.name for c in every if c.post and c.level is None and c.model != _model(directory, c.name)}
    return [c for c in every if not c.post and c.name not in external]


def run_overrides(directory: LadderDir, base: Checkpoint, config: str, overrides: list[str]) -> list[str]:
    """Return what ``t2rl train`` is told beside its config: the base, where to write, the ladder's problems
    where the run is on that kind of task, then the user's."""
    placed = [
        "model=path",
        f"model.path={base.model.resolve()}",
        f"run.dir={_runs(directory).resolve()}",
        f"run.name={base.name}",
        "resume=auto",
    ]
    if not isinstance(load_config(config, [*placed, *overrides]).task, ReasoningGymTaskConfig):
        return [*placed, *overrides]
    evaluation = directory.ladder().evaluation
    levels = ",".join(map(str, evaluation.levels))
    return [
        *placed,
        f"task.levels=[{levels}]",
        *(f"task.{name}={spell(value)}" for name, value in evaluation.task.items()),
        f"rollout.max_tokens={evaluation.max_tokens}",
        *overrides,
    ]


def _model(directory: LadderDir, name: str) -> Path:
    return directory.post(name) / "model"


def _runs(directory: LadderDir) -> Path:
    return directory.path / "work" / "runs"


def _log(directory: LadderDir, name: str) -> Path:
    return _runs(directory) / f"{name}.log"


def _run(directory: LadderDir, base: Checkpoint, config: str, overrides: list[str]) -> None:
    """``t2rl train`` in a process of its own, so that its Ray, its signals and its output stay its own."""
    log = _log(directory, base.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as out:
        command = [sys.executable, "-m", "rl.cli", "train", config, *overrides]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # The run writes a checkpoint and leaves.
            process.wait()
            raise KeyboardInterrupt(
                f"{base.name} stopped with a checkpoint; the same command goes on from there"
            ) from None
    if code == INTERRUPTED:
        raise KeyboardInterrupt(f"{base.name} was stopped; the same command goes on from there")
    if code:
        raise RuntimeError(f"t2rl train ended with exit code {code} for {base.name}; its log is {log}")


def _refuse_other(directory: LadderDir, name: str, asked: dict[str, Any]) -> None:
    """Raise ``ConfigError`` if the base was post-trained as something else was asked; files of T2RL 0.1 do
    not say as what."""
    if (directory.post(name) / "post.json").is_file():
        done = _read(directory, name).get("asked")
        if done not in (None, asked):
            raise ConfigError(
                f"{name} was post-trained with {_words(done)}, now asked for is {_words(asked)}; ask for the"
                f" same, or remove {directory.post(name)} and its run under {_runs(directory)}"
            )


def _words(asked: dict[str, Any]) -> str:
    return " ".join([asked["config"], *asked["overrides"]])


def _keep(directory: LadderDir, base: Checkpoint, asked: dict[str, Any]) -> None:
    """Copy the run's model and facts to ``post/NAME`` in one rename."""
    run = _runs(directory) / base.name
    rows = [row for row in read_jsonl(run / "metrics.jsonl") if "rollout/tokens" in row]
    tokens = sum(row["rollout/tokens"] for row in rows)
    target = directory.post(base.name)
    scratch = target.with_name(target.name + ".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(run / "model", scratch / "model")
    facts = {
        "name": base.name,
        "asked": asked,
        "run": str(run.relative_to(directory.path)),
        "steps": len(rows),
        "rollout_tokens": tokens,
        "post_flops": float(FLOPS_PER_TOKEN * base.params * tokens),
    }
    directory.write_json(scratch / "post.json", facts)
    scratch.rename(target)


def _read(directory: LadderDir, name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((directory.post(name) / "post.json").read_text(encoding="utf-8"))
    return facts
