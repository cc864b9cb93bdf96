"""Checkpoints of a stage: the complete ones, and those that the run went back behind."""

import json

from rl.records.trainer_checkpoints import checkpoints_of, set_aside_after


def test_a_stage_that_goes_back_has_no_later_checkpoints_any_more(tmp_path, caplog):
    for steps in (10, 20, 30):
        folder = tmp_path / f"checkpoint-{steps}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(json.dumps({"global_step": steps}))
    (tmp_path / "checkpoint-40").mkdir()
    assert [steps for steps, _ in checkpoints_of(tmp_path)] == [10, 20, 30], "one was cut off"
    set_aside_after(tmp_path, 10)
    assert [steps for steps, _ in checkpoints_of(tmp_path)] == [10]
    assert (tmp_path / "left-checkpoint-30" / "trainer_state.json").is_file()
    assert "kept as left-checkpoint-20" in caplog.text
