"""The units of a run, with engines and verifiers scripted: which problems, whose verifiers, which files."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rl.config.load import load_config
from rl.config.sections import EvaluationConfig
from rl.engines.errors import EngineLost
from rl.evaluation.likelihood import Passage
from rl.records.rundir import RunDir
from rl.run.evaluation import build
from rl.run.evaluation.units import first_engine, remove_superseded_counts
from rl.run.prepare.suites import PreparedSuite
from rl.views.evaluations import evaluation_file, read_counts, suite_folders
from rollout.types import (
    Completion,
    FinishReason,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    VersionSpan,
)

VERSION = 4


class Service:
    """Right where the verifiers say so; notes who judged what."""

    judged: list[tuple[str, str]]

    def __init__(self, scorer: Any, judged: list[tuple[str, str]]) -> None:
        self.scorer, self.judged = scorer, judged

    async def finish(self, state: Any) -> RolloutGroup:
        self.judged.append((self.scorer.name, state.prompt.id))
        assert self.scorer.running
        completion = Completion(
            token_ids=np.array([1, 2]),
            behavior_logprobs=np.zeros(2),
            loss_mask=np.ones(2, dtype=bool),
            spans=(VersionSpan(0, 2, VERSION),),
            finish_reason=FinishReason.STOP,
        )
        rollout = Rollout(completion=completion, text="", result=RewardResult(value=1.0, correct=True))
        return RolloutGroup(
            group_id=state.request.group_id,
            plan_step=-1,
            prompt=state.prompt,
            sampling=state.request.sampling,
            rollouts=(rollout,) * len(state.request.seeds),
            issues=1,
            issued_at=0.0,
            finished_at=0.0,
        )


class Scorer:
    def __init__(self, name: str, *, running: bool = False) -> None:
        self.name, self.running = name, running

    async def start(self) -> None:
        self.running = True

    async def close(self) -> None:
        self.running = False


def prompts(name: str, count: int) -> list[Prompt]:
    return [Prompt(id=f"{name}/{i}", text="", token_ids=(3, 4), answer="") for i in range(count)]


def test_every_unit_asks_its_problems_with_its_verifiers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suites = {
        "more": {"task": {"kind": "file", "test": "x"}, "every": 3, "samples_per_prompt": 2, "max_tokens": 9},
        "text": {"text": "packaged"},
    }
    given = EvaluationConfig.model_validate({"suites": suites, "every": 2, "samples_per_prompt": 8})
    config = load_config("quickstart", []).model_copy(update={"evaluation": given})
    task = SimpleNamespace(reward_name="other", reward_args={}, thinking_tags=("<t>", "</t>"))
    passage = Passage(id="text/0", text="abcd", token_ids=(1, 2, 3))
    prepared = SimpleNamespace(
        eval_prompts=prompts("own", 2),
        suites=(
            PreparedSuite(name="more", config=given.suites["more"], task=task, prompts=prompts("more", 3)),
            PreparedSuite(name="text", config=given.suites["text"], passages=[passage]),
        ),
        tokenizer=None,
        decode=lambda: None,
    )
    other = Scorer("other")
    judged: list[tuple[str, str]] = []
    kept: list[tuple[str | None, int, list[int]]] = []
    monkeypatch.setattr(build, "make_verifiers", lambda config, name, args: other)
    monkeypatch.setattr(build, "make_decode", lambda tokenizer, tags, stops: None)

    async def score(sequences: list[list[int]]) -> list[list[list[float]]]:
        return [[[-1.0] * (len(s) - 1) for s in sequences]]

    async def serving() -> None:
        return None

    async def keep(version: int, groups: Any, *, suite: str | None = None) -> None:
        kept.append((suite, version, [group.group_id for group in groups]))

    run = RunDir(tmp_path)
    run.eval.mkdir()
    asking = build.Asking(
        config=config,
        prepared=prepared,
        run=run,
        fleet=SimpleNamespace(score=score, serving=serving, confirmed_version=VERSION),
        scorer=Scorer("own", running=True),
        service=lambda *, scorer, decode, watch: Service(scorer, judged),  # type: ignore[return-value]
        watch=None,
        rollouts=SimpleNamespace(evaluated=keep),
    )
    units = asking.units()
    assert not any(unit.done(VERSION) for unit in units)
    assert [(unit.name, unit.every) for unit in units] == [("held_out", 2), ("more", 3), ("text", 2)]

    async def all_of_them() -> list[dict[str, float]]:
        return [await unit.run(VERSION, whole=False) for unit in units]

    figures = asyncio.run(all_of_them())
    assert all(unit.done(VERSION) and not unit.done(VERSION + 1) for unit in units)
    assert figures[:2] == [{"pass@1": 1.0, "greedy": 1.0}] * 2
    assert figures[2] == {"bits_per_byte": pytest.approx(2 / np.log(2) / 4)}
    assert {name for name, prompt in judged if prompt.startswith("own")} == {"own"}
    assert {name for name, prompt in judged if prompt.startswith("more")} == {"other"}
    assert not other.running, "its verifiers live as long as the evaluation"
    assert list(suite_folders(run.eval)) == ["more", "text"]
    counts = read_counts(evaluation_file(run.eval / "more", VERSION), max_tokens=9, top_p=1.0)
    assert [(c.sampling.temperature, [row["n"] for row in c.rows]) for c in counts] == [
        (1.0, [2, 2, 2]),
        (0.0, [1, 1, 1]),
    ]
    assert [(suite, version) for suite, version, _ in kept] == [(None, VERSION), ("more", VERSION)]
    assert not set(kept[0][2]) & set(kept[1][2]), "group ids of suites do not meet"


def test_a_text_is_scored_by_the_engine_that_comes_back() -> None:
    answers: list[list[list[list[float]]]] = [[], [[[-1.0]], [[-1.0]]]]
    waited = 0

    async def serving() -> None:
        nonlocal waited
        waited += 1

    async def score(sequences: list[list[int]]) -> list[list[list[float]]]:
        return answers.pop(0) if answers else []

    one = first_engine(SimpleNamespace(serving=serving, score=score))
    assert asyncio.run(one([[1, 2]])) == [[-1.0]] and waited == 2
    with pytest.raises(EngineLost, match="lost 3 times"):
        asyncio.run(one([[1, 2]]))


def test_an_attempt_removes_what_it_evaluates_anew(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    for folder, kind in ((tmp_path, "version"), (tmp_path / "suite", "version"), (tmp_path, "likelihood")):
        for version in (0, 40, 50):
            (folder / f"{kind}-{version:08d}.jsonl").touch()
    remove_superseded_counts(tmp_path, restored_step=40)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jsonl"))
    assert left == sorted(
        f"{kind}-{version:08d}.jsonl"
        for kind in ("version", "suite/version", "likelihood")
        for version in (0, 40)
    )
