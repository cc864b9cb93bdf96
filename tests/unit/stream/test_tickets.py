"""The rule itself, by hand; its consequence under random timing is in test_staleness_bound.py."""

import json

import pytest

from rl.stream.tickets import EngineVersions, StalenessViolation, Tickets


def test_zero_is_strictly_synchronous() -> None:
    tickets = Tickets(0)
    assert tickets.issue() == 0
    assert not tickets.can_issue()
    tickets.confirm(1)
    assert tickets.issue() == 1
    assert not tickets.can_issue()


def test_plans_run_ahead_of_the_confirmed_version_by_the_bound_and_no_more() -> None:
    tickets = Tickets(2)
    assert [tickets.issue() for _ in range(3)] == [0, 1, 2]
    assert not tickets.can_issue()
    tickets.confirm(1)
    assert tickets.issue() == 3
    assert not tickets.can_issue()


def test_a_smaller_pipeline_depth_holds_and_a_larger_one_is_cut_to_the_bound() -> None:
    shallow = Tickets(3, 1)
    assert [shallow.issue(), shallow.issue()] == [0, 1]
    assert not shallow.can_issue()
    assert Tickets(1, 5).depth == 1


def test_issuing_early_is_a_bug() -> None:
    tickets = Tickets(0)
    tickets.issue()
    with pytest.raises(AssertionError, match="plan 1 is ahead of version 0"):
        tickets.issue()


def test_confirmations_never_go_back() -> None:
    tickets = Tickets(1)
    tickets.confirm(5)
    tickets.confirm(3)
    assert tickets.confirmed_version == 5


@pytest.mark.parametrize(
    ("step", "version", "fresh"), [(5, 5, True), (5, 4, True), (5, 3, True), (5, 2, False)]
)
def test_a_straggler_rolls_over_only_while_its_oldest_token_allows(
    step: int, version: int, fresh: bool
) -> None:
    assert Tickets(2).is_fresh(step=step, min_policy_version=version) is fresh


def test_a_group_is_reissued_only_from_weights_that_will_still_be_fresh() -> None:
    tickets = Tickets(1)
    tickets.confirm(3)
    assert tickets.can_reissue(step=4)
    assert not tickets.can_reissue(step=5)


def test_consumption_reports_staleness_and_refuses_the_rest() -> None:
    tickets = Tickets(2)
    assert tickets.assert_fresh(step=7, min_policy_version=5) == 2
    with pytest.raises(
        StalenessViolation, match="step 7 got tokens of version 4: staleness 3, allowed 0 to 2"
    ):
        tickets.assert_fresh(step=7, min_policy_version=4)
    with pytest.raises(StalenessViolation, match="staleness -1"):
        tickets.assert_fresh(step=7, min_policy_version=8)


@pytest.mark.parametrize(
    ("bound", "depth", "field"), [(-1, None, "max_staleness"), (1, -1, "pipeline_depth")]
)
def test_negative_settings_are_refused_by_name(bound: int, depth: int | None, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Tickets(bound, depth)


def test_state_survives_json() -> None:
    tickets = Tickets(1)
    tickets.issue()
    tickets.issue()
    tickets.confirm(1)
    again = Tickets(1)
    again.load_state_dict(json.loads(json.dumps(tickets.state_dict())))
    assert again.state_dict() == tickets.state_dict()
    assert again.issue() == 2
    assert not again.can_issue()


def test_the_confirmed_version_is_that_of_the_slowest_live_engine() -> None:
    engines = EngineVersions()
    engines.join("a", version=0)
    engines.join("b", version=0)
    assert engines.confirm("a", version=1) == 0
    assert engines.confirm("b", version=1) == 1
    assert engines.confirm("a", version=2) == 1
    assert engines.confirm("b", version=1) == 1, "a late confirmation of an old push changes nothing"
    assert engines.leave("b") == 2


def test_an_engine_that_comes_back_must_hold_the_confirmed_weights() -> None:
    engines = EngineVersions()
    engines.join("a", version=0)
    engines.confirm("a", version=3)
    with pytest.raises(ValueError, match="older than the confirmed 3"):
        engines.join("b", version=2)
    engines.join("b", version=3)
    assert engines.live == {"a": 3, "b": 3}


def test_with_no_engine_alive_the_confirmed_version_stays() -> None:
    engines = EngineVersions(4)
    assert engines.confirmed == 4
    engines.join("a", version=5)
    engines.leave("a")
    assert engines.confirmed == 5
    with pytest.raises(ValueError, match="not live"):
        engines.confirm("a", version=6)
