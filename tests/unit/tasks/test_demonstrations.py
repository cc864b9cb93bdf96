"""HPT's switch: which groups, exactly which tokens, and what stays as it was."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rewards.reasoning_gym import ReasoningGymReward
from rl.batch.demonstrations import Demonstrations, tokenise_demonstrations, with_demonstrations
from rl.batch.types import TrainingBatch
from rl.config.algorithm import DemonstrationConfig
from rl.config.errors import ConfigError
from rl.config.load import load_config
from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.pretrain.tokenizer import EOS_ID, char_tokenizer, encode
from rl.pretrain.worked_solutions import with_worked_solutions
from rl.stream.plans import GroupState, GroupStatus, PlanState
from rl.stream.tickets import StalenessViolation, Tickets
from rl.tasks.encoding import completion_ids
from rl.tasks.files import FileTask
from rl.tasks.reasoning_gym import ReasoningGymTask
from rollout.types import (
    Completion,
    FinishReason,
    GroupRequest,
    Prompt,
    RewardResult,
    Rollout,
    RolloutGroup,
    SamplingConfig,
)
from rollout.types import VersionSpan as Span

TOKENIZER = char_tokenizer(256)
SAMPLING = SamplingConfig()
SHOWN = Prompt(
    id="shown", text="g 6,4=", token_ids=(1, 5), answer="2", metadata={"demonstration": "6%4:2,4%2:0#2"}
)
BARE = Prompt(id="bare", text="g 9,6=", token_ids=(1, 6), answer="3")


def group(
    correct: int, *, of: int = 8, prompt: Prompt = SHOWN, group_id: int = 7, step: int = 3
) -> RolloutGroup:
    completion = Completion(
        token_ids=np.array([9, EOS_ID], dtype=np.int32),
        behavior_logprobs=np.full(2, -1.0, dtype=np.float32),
        loss_mask=np.ones(2, dtype=bool),
        spans=(Span(0, 2, step - 1),),
        finish_reason=FinishReason.STOP,
    )
    rollouts = [
        Rollout(
            completion=completion,
            text="5",
            result=RewardResult(value=float(i < correct), correct=i < correct),
        )
        for i in range(of)
    ]
    return RolloutGroup(
        group_id=group_id, plan_step=step, prompt=prompt, sampling=SAMPLING, rollouts=tuple(rollouts)
    )


def demonstrations(gate: int = 0, prompts: tuple[Prompt, ...] = (SHOWN, BARE)) -> Demonstrations:
    return tokenise_demonstrations(prompts, TOKENIZER, DemonstrationConfig(gate=gate), max_model_len=64)


@pytest.mark.parametrize(
    ("gate", "successes", "supervised"),
    [(0, (0, 1, 8), (True, False, False)), (2, (0, 2, 3), (True, True, False))],
)
def test_the_gate_of_the_paper(gate: int, successes: tuple[int, ...], supervised: tuple[bool, ...]) -> None:
    groups = [group(k) for k in successes]
    switched = demonstrations(gate).switch(groups)
    assert tuple(g.demonstration for g in switched) == supervised
    assert [len(g.rollouts) for g in switched] == [1 if s else 8 for s in supervised]
    assert all(
        after is before for after, before, s in zip(switched, groups, supervised, strict=True) if not s
    )


def test_the_batch_holds_exactly_the_prompt_the_text_and_the_end() -> None:
    batch = TrainingBatch.from_groups(
        3, demonstrations().switch([group(0), group(4, prompt=BARE, group_id=8)])
    )
    text = [*encode("6%4:2,4%2:0#2"), EOS_ID]
    first = slice(0, batch.offsets[1])
    assert batch.token_ids[first].tolist() == [1, 5, *text]
    assert batch.loss_mask[first].tolist() == [False] * 2 + [True] * len(text)
    assert not batch.behavior_logprobs[first].any()
    assert batch.demonstration.tolist() == [True] + [False] * 8
    assert batch.group_ids.tolist() == [7, 8], "the lineage log names the groups that were planned"
    assert set(batch.token_versions[first][2:]) == {3}


def test_a_demonstration_passes_the_staleness_assertion_that_its_rollouts_would_fail() -> None:
    tickets = Tickets(0, None)
    with pytest.raises(StalenessViolation):
        tickets.assert_fresh(step=3, min_policy_version=group(0).min_policy_version)
    tickets.assert_fresh(step=3, min_policy_version=demonstrations().switch([group(0)])[0].min_policy_version)


def test_statistics_see_the_rollouts_and_the_metrics_say_what_switched() -> None:
    groups = [
        group(0, group_id=1),
        group(3, group_id=2),
        group(0, group_id=3, prompt=BARE),
        group(0, group_id=4),
    ]
    states = []
    for g in groups:
        request = GroupRequest(
            group_id=g.group_id, prompt_token_ids=g.prompt.token_ids, seeds=tuple(range(8)), sampling=SAMPLING
        )
        state = GroupState(
            request=request, prompt=g.prompt, plan_step=3, status=GroupStatus.FINISHED, group=g
        )
        state.kept = g.group_id != 4
        states.append(state)
    plan = PlanState(step=3, groups=states)
    shown = demonstrations()
    batch = shown.switch([s.group for s in plan.kept() if s.group])
    assert [len(g.rollouts) for g in batch] == [1, 8, 8]
    assert [(s.num_rollouts, s.num_correct) for s in plan.stats()] == [(8, 0), (8, 3), (8, 0), (8, 0)]
    assert shown.metrics(plan) == {"demonstrations/groups_switched": 1, "demonstrations/groups_without": 1}


def test_other_annotations_see_the_groups_after_the_switch() -> None:
    def sizes(groups: list[RolloutGroup]) -> list[RolloutGroup]:
        return [
            replace(g, aux=replace(g.aux, pass_k=np.full(len(g.rollouts), len(g.rollouts)))) for g in groups
        ]

    annotated = with_demonstrations(sizes, demonstrations())([group(0), group(1)])
    assert [g.aux.pass_k.tolist() for g in annotated] == [[1], [8] * 8]
    assert annotated[0].demonstration is True
    assert with_demonstrations(sizes, None) is sizes


def test_the_end_token_comes_once() -> None:
    assert completion_ids(TOKENIZER, ["#1", "#1<eos>"]) == [[*encode("#1"), EOS_ID]] * 2


@pytest.mark.parametrize(
    ("prompts", "length", "message"),
    [
        (
            (BARE,),
            64,
            (
                "algorithm.demonstrations.field: none of the 1 train prompts has"
                " 'demonstration'.*task.columns.demonstration"
            ),
        ),
        (
            (SHOWN,),
            15,
            (
                "prompt shown: 2 tokens and a demonstration of 14 do not fit into rollout.max_model_len=15;"
                " raise it"
            ),
        ),
        (
            (replace(BARE, metadata={"demonstration": 5}),),
            64,
            "prompt bare: its 'demonstration' is 5; a demonstration must be text",
        ),
    ],
)
def test_what_cannot_be_shown_is_said_before_anything_starts(
    prompts: tuple[Prompt, ...], length: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        tokenise_demonstrations(prompts, TOKENIZER, DemonstrationConfig(), max_model_len=length)


def test_a_tokenizer_without_an_end_is_refused() -> None:
    tokenizer = char_tokenizer(256)
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no eos_token"):
        completion_ids(tokenizer, ["#1"])


def test_the_tiny_task_solves_every_problem_of_its_own() -> None:
    config = ReasoningGymTaskConfig()
    prompts = ReasoningGymTask(config, TOKENIZER, max_prompt_tokens=64).load("train", 200)
    assert all("solution" not in p.metadata for p in prompts), (
        "nothing changes for a run that asks for no demonstrations"
    )
    solved = with_worked_solutions(prompts, config, "solution")
    reward = ReasoningGymReward(extraction="hash")
    assert {p.category for p in solved} == set(config.categories)
    assert all(reward(p, p.metadata["solution"], truncated=False).correct for p in solved)
    assert (
        with_worked_solutions(prompts, config.model_copy(update={"style": "question"}), "solution") == prompts
    )


ROWS = [
    {"prompt": "1+1=", "answer": "2", "demonstration": "#2"},
    {"prompt": "1+2=", "answer": "3", "demonstration": None},
]


def test_a_column_of_a_file_becomes_the_demonstration(
    task: Callable[..., FileTask], jsonl: Callable[..., str]
) -> None:
    first, second = task(train=jsonl(ROWS)).load("train")
    assert first.metadata == {"demonstration": "#2"} and second.metadata == {}
    renamed = [{"prompt": "1+1=", "answer": "2", "worked": "#2", "metadata": json.dumps({"level": 1})}]
    (prompt,) = task(train=jsonl(renamed, "renamed.jsonl"), columns={"demonstration": "worked"}).load("train")
    assert prompt.metadata == {"level": 1, "demonstration": "#2"}


@pytest.mark.parametrize("value", ["", " ", 3, ["#2"]])
def test_a_demonstration_that_is_no_text_is_named_with_its_line(
    value: Any, task: Callable[..., FileTask], jsonl: Callable[..., str]
) -> None:
    path = jsonl([*ROWS, {"prompt": "2+2=", "answer": "4", "demonstration": value}])
    with pytest.raises(
        ValueError, match=r"data.jsonl:3: 'demonstration' is .*; a demonstration must be text, or null"
    ):
        task(train=path).load("train")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["algorithm.demonstrations.gate=16"],
            "algorithm.demonstrations.gate: 16 switches every group of stream.rollouts_per_prompt=16",
        ),
        (["algorithm.advantage=brpo"], "algorithm.demonstrations: algorithm.advantage=brpo"),
        (["curriculum=mixed"], "algorithm.demonstrations: curriculum.verdict=mixed"),
    ],
)
def test_settings_that_contradict_the_switch(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("quickstart", ["algorithm=hpt", *overrides])
