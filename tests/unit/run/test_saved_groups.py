"""Groups in every state come back from a checkpoint with every field."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rl.stream.plans import GroupState, GroupStatus
from rl.stream.saved import SavedGroupState
from rollout.types import (
    Completion,
    Failure,
    FinishReason,
    GroupRequest,
    Prompt,
    RewardResult,
    Rollout,
    RolloutAux,
    RolloutGroup,
    SamplingConfig,
    VersionSpan,
)
from tests.unit.run.state_values import SCALARS, facts, same, through_files

WORDS, NUMBERS, FLOATS = st.text(max_size=4), st.integers(0, 2**62), st.floats(allow_nan=False)
PROMPTS = st.builds(
    Prompt,
    id=WORDS,
    text=WORDS,
    token_ids=st.lists(NUMBERS, max_size=3).map(tuple),
    answer=WORDS,
    category=WORDS,
    difficulty=NUMBERS,
    metadata=st.dictionaries(WORDS, SCALARS.filter(lambda v: v == v) | st.lists(NUMBERS), max_size=2),
    thinking_tags=st.tuples(WORDS, WORDS),
)
SAMPLINGS = st.builds(
    SamplingConfig,
    temperature=FLOATS,
    top_p=FLOATS,
    max_tokens=NUMBERS,
    nominal_max_tokens=st.none() | NUMBERS,
    ignore_eos=st.booleans(),
)
RESULTS = st.builds(
    RewardResult,
    value=FLOATS,
    correct=st.booleans(),
    components=st.dictionaries(WORDS, FLOATS, max_size=2),
    reason=WORDS,
    judged=st.booleans(),
    failure=st.none() | st.sampled_from(Failure),
)


@st.composite
def completions(draw: st.DrawFn) -> Completion:
    length = draw(st.integers(0, 4))
    return Completion(
        token_ids=draw(hnp.arrays(np.int32, length)),
        behavior_logprobs=draw(hnp.arrays(np.float32, length)),
        loss_mask=draw(hnp.arrays(np.bool_, length)),
        spans=draw(st.lists(st.builds(VersionSpan, NUMBERS, NUMBERS, NUMBERS), max_size=3).map(tuple)),
        finish_reason=draw(st.sampled_from(FinishReason)),
    )


ROWS = st.none() | hnp.arrays(np.float64, (2, 2))
AUX = st.builds(RolloutAux, **dict.fromkeys(RolloutAux.__dataclass_fields__, ROWS))


def groups(answers: st.SearchStrategy[tuple[RolloutGroup, ...]]) -> st.SearchStrategy[RolloutGroup]:
    rollouts = st.lists(st.builds(Rollout, completion=completions(), text=WORDS, result=RESULTS), max_size=3)
    return st.builds(
        RolloutGroup,
        group_id=NUMBERS,
        plan_step=st.integers(-1, 9),
        prompt=PROMPTS,
        sampling=SAMPLINGS,
        rollouts=rollouts.map(tuple),
        unjudged=st.just(()),
        issues=NUMBERS,
        issued_at=FLOATS,
        finished_at=FLOATS,
        demonstration=st.booleans(),
        answers=answers,
        aux=AUX,
    )


FINISHED = groups(st.lists(groups(st.just(())), max_size=2).map(tuple))
STATES = st.builds(
    GroupState,
    request=st.builds(
        GroupRequest,
        group_id=NUMBERS,
        prompt_token_ids=st.lists(NUMBERS, max_size=3).map(tuple),
        seeds=st.lists(NUMBERS, max_size=3).map(tuple),
        sampling=SAMPLINGS,
    ),
    prompt=PROMPTS,
    plan_step=NUMBERS,
    status=st.sampled_from([GroupStatus.WAITING, GroupStatus.INFLIGHT]),
    issues=NUMBERS,
    issued_version=NUMBERS,
    issued_at=FLOATS,
    finished_version=NUMBERS,
    group=st.none(),
    kept=st.booleans(),
    reason=WORDS,
    indices=st.none() | st.lists(NUMBERS, max_size=3).map(tuple),
)


@settings(max_examples=25, deadline=None)
@given(STATES, st.none() | FINISHED)
def test_every_field_of_every_group_comes_back(
    tmp_path_factory: pytest.TempPathFactory, state: GroupState, group: RolloutGroup | None
) -> None:
    if group is not None:
        state = replace(state, group=group, status=GroupStatus.FINISHED)
    document = {"state": SavedGroupState.of(state).model_dump()}
    read = through_files(document, tmp_path_factory.mktemp("state"))["state"]
    again = SavedGroupState.model_validate(read).state()
    assert same(facts(again), facts(state))
