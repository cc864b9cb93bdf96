"""The reward model's section: what does not fit is said with the field and the fix."""

import pytest

from rl.config.load import ConfigError, load_config

REFUSED = [
    (
        ["reward_model.timeout_s=60"],
        "reward_model.timeout_s: 60 s to wait and as much to score do not fit into stream.group_timeout_s",
    ),
    (["reward_model.device=cuda"], "reward_model.gpus: 0 with reward_model.device=cuda"),
    (["reward_model.gpus=1"], "reward_model.gpus: 1 with reward_model.device=cpu"),
    (
        ["algorithm=brpo", "algorithm.advantage.budgets.tokens=[2,4]"],
        "reward_model: algorithm.advantage=brpo reads raw correctness",
    ),
    (["reward_model.template=x"], "must contain {completion}"),
    (["reward_model.component=mean"], "the log has reward/mean for something else"),
    (["reward_model.weight=0", "reward_model.schedule={kind: exponential, end: 1}"], "passes 0"),
    (["reward_model.schedule=exponential"], "set its end"),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSED, ids=[text for _, text in REFUSED])
def test_refusals(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config("debug", ["reward_model.path=some/model", *overrides])
    assert message in str(error.value)


def test_a_name_stands_for_a_schedule_or_a_gate() -> None:
    overrides = ["reward_model.path=some/model", "reward_model.schedule=cosine", "reward_model.gate=format"]
    model = load_config("debug", overrides).reward_model
    assert model is not None
    assert (model.schedule.kind, model.gate.component, model.gate.at_least, model.at(0.5)) == (
        "cosine",
        "format",
        1.0,
        0.5,
    )


def test_there_is_none_by_default() -> None:
    assert load_config("debug", []).reward_model is None
