"""The fingerprint of a run or a stage that is about to start."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rl.config.curriculum_slots import curriculum_slots
from rl.config.schema import Config
from rl.config.stages import StageConfig
from rl.config.task_mixture import parts_of
from rl.records.hashes import hash_values
from rl.records.model_files import base_fingerprint, tokenizer_fingerprint
from rl.run.fingerprint.code import code_fingerprint
from rl.run.fingerprint.config_values import identity_defaults, identity_values
from rl.run.fingerprint.data import rows_fingerprint
from rl.run.fingerprint.fingerprint import Fingerprint
from rl.run.prepare.inputs import Prepared
from rl.scorers.reward_model import reward_model_directory


def run_fingerprint(config: Config, prepared: Prepared) -> Fingerprint:
    """Return the fingerprint of a run of ``t2rl train``."""
    reward = (prepared.task.reward_name, dict(prepared.task.reward_args))
    things = {
        "data": rows_fingerprint(prepared.train_prompts),
        "held_out": rows_fingerprint(prepared.eval_prompts),
        "base": base_fingerprint(prepared.model_path),
        "tokenizer": tokenizer_fingerprint(prepared.tokenizer),
        "reward": {"name": reward[0], "args": hash_values([reward[1]]), **code_fingerprint(*reward)},
        "curriculum_code": code_fingerprint(curriculum_slots(config)),
    }
    own_parts = algorithm_code(config)
    if own_parts:  # a run of an older T2RL could have none, and has no such thing
        things["algorithm_code"] = own_parts
    if config.reward_model is not None:
        things["reward_model"] = base_fingerprint(reward_model_directory(config.reward_model))
    return _fingerprint(config, things, base=prepared.model_path, data=_data_origin(config.task))


def algorithm_code(config: Config) -> dict[str, str]:
    """Target -> hash of the source of every part of the objective and the learner that is outside code."""
    learner = config.learner.model_dump(include={"optimizer", "schedule"})
    return code_fingerprint(config.algorithm.model_dump(), learner)


def stage_fingerprint(
    config: StageConfig, *, model_path: Path, tokenizer: Any, examples: Sequence[Any], source: str | None
) -> Fingerprint:
    """Return the fingerprint of ``t2rl sft`` or ``t2rl dpo``; pairs that are yet to be sampled have no
    examples, and are kept with the run."""
    things: dict[str, dict[str, Any]] = {
        "base": base_fingerprint(model_path),
        "tokenizer": tokenizer_fingerprint(tokenizer),
    }
    if examples:
        things["data"] = rows_fingerprint(examples)
    return _fingerprint(config, things, base=model_path, data=source or _data_origin(config.task))


def _fingerprint(
    config: BaseModel, things: dict[str, dict[str, Any]], *, base: Path, data: str
) -> Fingerprint:
    return Fingerprint(
        things=things,
        settings=identity_values(config),
        defaults=frozenset(identity_defaults(config)),
        origins={"base": str(base), "tokenizer": str(base), "data": data, "held_out": data},
    )


def _data_origin(task: Any) -> str:
    """``rows.jsonl``, or the generator's name."""
    return "" if task is None else ", ".join(map(_origin_of_part, parts_of(task).values()))


def _origin_of_part(section: Any) -> str:
    if section.kind != "file":
        return str(section.kind)
    return ", ".join(str(path) for path in (section.path, section.train, section.dev, section.test) if path)
