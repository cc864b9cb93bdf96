"""Groups that come late: into the next batch while they are fresh enough, else dropped."""

from tests.unit.run.test_controller import ScriptedLearner, build, staleness_of
from tests.unit.run.virtual_clock import played


def test_late_groups_roll_over_only_while_fresh():
    controller = build(steps=10, staleness=2, rollover_share=0.4, learner=ScriptedLearner(delay_s=0.0))
    controller.parts.fleet.spread_s = 0.03
    played(controller.run())
    assert sum(p.rolled_over for p in controller.parts.recorder.records) > 0
    assert max(staleness_of(controller)) <= 2
    trained = [g for _, g in controller.parts.recorder.trained_groups]
    assert len(set(trained)) == len(trained) == 60


def test_a_group_drawn_again_for_its_age_has_not_failed():
    controller = build(
        steps=10, staleness=1, rollover_share=0.4, max_issues=1, learner=ScriptedLearner(delay_s=0.0)
    )
    controller.parts.fleet.spread_s = 0.03
    played(controller.run())
    assert controller.parts.service.reissues["stale"] > 0
    assert len({g for _, g in controller.parts.recorder.trained_groups}) == 60


def test_spare_groups_close_batches_early_and_late_ones_are_dropped_with_a_reason():
    controller = build(steps=10, staleness=0, redundant_share=0.5)
    controller.parts.fleet.spread_s = 0.03
    played(controller.run())
    plans = controller.parts.recorder.records
    assert all(len(p.kept()) >= 6 and p.missing == 0 for p in plans)
    late = [g for p in plans for g in p.groups if g.reason == "late"]
    assert late and {g.request.group_id for g in late}.isdisjoint(
        g for _, g in controller.parts.recorder.trained_groups
    )
    assert set(controller.parts.fleet.aborted) <= {g.request.group_id for g in late}
    assert controller.parts.fleet.aborted and controller.parts.fleet.outstanding == 0


def test_spare_groups_that_are_fresh_enough_all_train_sooner_or_later():
    controller = build(steps=10, staleness=2, pipeline_depth=1, redundant_share=0.5)
    controller.parts.fleet.spread_s = 0.03
    played(controller.run())
    plans, fleet = controller.parts.recorder.records, controller.parts.fleet
    assert sum(p.rolled_over for p in plans) > 0 and max(staleness_of(controller)) <= 2
    late = [(p.step, g.request.group_id >> 20) for p in plans for g in p.groups if g.reason == "late"]
    assert all(step >= 8 or step > drawn for step, drawn in late), "one plan further they are fresh enough"
    trained = [g for _, g in controller.parts.recorder.trained_groups]
    assert len(set(trained)) == len(trained) >= 60 and len(fleet.generated) <= len(trained) + 3
