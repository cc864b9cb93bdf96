"""The contracts of objective and learner: every shipped part keeps its own, and every check has a part that
breaks it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rl.cli import app
from rl.commands.objective.kinds import KINDS, check_contract, kind_of

BROKEN = "tests.unit.commands.broken_parts"
NEEDS_DEEPSPEED = {"muon"}  # tests/integration/learner/test_muon.py has it
ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    **{name: [{}, {"k": 2}, {"k": 4}] for name in KINDS["advantage"].shipped if name.startswith("passk")},
    "brpo": [{"budgets": {"tokens": [2, 4]}}, {"budgets": {"tokens": [1, 2, 8], "baseline": "group"}}],
    "gae": [{}, {"whiten": False, "whiten_rewards": True}],
    "trust": [{"component": "format"}],
    "handover": [{"first": "format"}, {"first": "format", "second": "length"}],
    "adamw": [{}, {"weight_decay": 0.1}],
}
CASES = [
    (kind, name, args)
    for kind, one in KINDS.items()
    for name in one.shipped
    if name not in NEEDS_DEEPSPEED
    for args in ARGUMENTS.get(name, [{}])
]
BREAKS: dict[str, list[tuple[str, str]]] = {
    "advantage": [
        ("a_number_a_sample", "one finite number a token"),
        ("no_estimate", "one finite number a token"),
        ("divides_by_nothing", "one finite number a token"),
        ("noisy", "same update, same answer"),
        ("in_place", "same update, same answer"),
        ("plain_reward", "nothing from groups that say nothing"),
        ("first_is_baseline", "order inside a group is nothing"),
        ("over_the_batch", "other groups are nothing"),
        ("upside_down", "more reward is not less advantage"),
    ],
    "mask": [
        ("infinite", "one finite number a token"),
        ("zero_or_one", "on-policy tokens keep their gradient"),
        ("leaks", "kept whole or bounded by a constant"),
        ("by_the_largest", "token by token"),
        ("sometimes", "same tokens, same answer"),
    ],
    "likelihood": [
        ("no_gradient", "a gradient on every token with an advantage"),
        ("doubled", "the plain gradient at ratio 1"),
        ("mask_unread", "no gradient on masked tokens"),
        ("unread_bonus", "no gradient without advantage"),
        ("over_the_micro_batch", "micro-batches are nothing"),
        ("overflows", "finite far from the sampler"),
        ("uncertain", "same tokens, same answer"),
    ],
    "shaping": [
        ("double_precision", "one finite number a sample"),
        ("halves_in_place", "same update, same answer"),
        ("by_place", "place and other groups are nothing"),
    ],
    "schedule": [
        ("below_zero", "finite, from 0 to 1"),
        ("half_way_up", "starts at the peak"),
        ("over_the_peak", "warm-up and no more than the peak"),
        ("stairs", "ends on min_lr_ratio"),
        ("remembers", "same update, same rate"),
    ],
    "optimizer": [
        ("matrices_only", "holds every trainable parameter once"),
        ("climbs", "a quadratic falls"),
        ("own_rate", "follows the learning rate"),
        ("forgets", "state_dict goes on exactly"),
        ("throws_dice", "same gradients, same steps"),
    ],
}
"""Kind -> (a part of ``broken_parts``, the check that it breaks)."""


@pytest.mark.parametrize(("kind", "name", "args"), CASES, ids=str)
def test_every_shipped_part_keeps_its_contract(kind: str, name: str, args: dict[str, Any]) -> None:
    findings = check_contract(kind, name, args)
    assert [one.check for one in findings] == list(KINDS[kind].checks)
    assert {one.check: one.problem for one in findings if not one.good} == {}


@pytest.mark.parametrize(("kind", "name"), [(k, name) for k, one in KINDS.items() for name in one.declared])
def test_what_a_shipped_part_is_declared_not_to_keep_it_does_not_keep(kind: str, name: str) -> None:
    """A declaration that is no longer needed has to go."""
    found = [one for args in ARGUMENTS.get(name, [{}]) for one in check_contract(kind, name, args)]
    assert {one.check for one in found if not one.passed} == set(KINDS[kind].declared[name])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_sound_part_of_a_users_own_passes(kind: str) -> None:
    findings = check_contract(kind, f"{BROKEN}:sound_{kind}", {})
    assert {one.check: one.problem for one in findings if not one.passed} == {}


@pytest.mark.parametrize(
    ("kind", "name", "check"), [(kind, *case) for kind, cases in BREAKS.items() for case in cases]
)
def test_a_broken_part_fails_the_check_that_it_breaks(kind: str, name: str, check: str) -> None:
    failed = {
        one.check: one.problem for one in check_contract(kind, f"{BROKEN}:{name}", {}) if not one.passed
    }
    assert check in failed and len(failed[check]) > 20, failed
    assert not any(one.good for one in check_contract(kind, f"{BROKEN}:{name}", {}) if one.check == check)


def test_every_check_has_a_part_that_breaks_it() -> None:
    assert {kind: {check for _, check in cases} for kind, cases in BREAKS.items()} == {
        kind: set(one.checks) for kind, one in KINDS.items()
    }


def test_a_shipped_name_says_its_kind() -> None:
    assert [kind_of(name, None) for name in ("grpo", "clip", "mirror", "trust", "wsd", "muon")] == list(KINDS)
    names = [name for one in KINDS.values() for name in one.shipped]
    assert len(names) == len(set(names)), "two kinds have a part of one name"


# -- the command ---------------------------------------------------------------------------------------------


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["objective", "check", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_the_command_says_what_holds_and_what_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "from rl.objective.advantages import every_token\n\n\n"
        "@every_token\ndef reward(samples, config):\n    return samples.rewards\n"
    )
    monkeypatch.chdir(tmp_path)
    code, output = call("mine.py:reward", "--kind", "advantage")
    assert code == 1 and "contract of advantage mine.py:reward" in output
    assert "ok    one finite number a token" in output
    assert "FAIL  nothing from groups that say nothing" in output and "segment_varies" in output
    code, output = call(
        "mine.py:reward", "--kind", "advantage", "--allow", "nothing from groups that say nothing"
    )
    assert code == 0 and "allowed" in output and "FAIL" not in output
    code, output = call("passk", "--args", '{"k": 4}', "--json")
    found = json.loads(output)
    assert code == 0 and (found["kind"], found["args"]) == ("advantage", {"k": 4})
    assert all(one["passed"] and not one["allowed"] for one in found["findings"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "'nonsense' is no part that ships (advantage: brpo, "),
        (["mine.py:x"], "--kind: say what mine.py:x is, one of advantage, mask"),
        (["mine.py:x", "--kind", "mask"], "algorithm.mask is 'mine.py:x':"),
        (["grpo", "--kind", "reward"], "--kind reward: choose one of advantage"),
        (["passk", "--args", '{"k": 0}'], "advantage.k: Input should be greater than 0"),
        (["grpo", "--args", '{"k": 2}'], "advantage.k: Extra inputs are not permitted"),
        (["grpo", "--args", "{"], "--args '{' is not JSON"),
        (["grpo", "--allow", "all"], "--allow 'all': no such check; there are 'one finite number a token'"),
    ],
)
def test_a_users_mistake_is_told_and_gives_2(arguments: list[str], message: str) -> None:
    code, output = call(*arguments)
    assert code == 2 and message in output, output


@pytest.mark.parametrize(
    ("kind", "name"),
    [("advantage", "median"), ("mask", "symmetric"), ("schedule", "square"), ("optimizer", "lion")],
)
def test_the_example_passes(kind: str, name: str) -> None:
    file = Path(__file__).resolve().parents[3] / "examples" / "own_objective.py"
    code, output = call(f"{file}:{name}", "--kind", kind)
    assert code == 0 and "FAIL" not in output, output
