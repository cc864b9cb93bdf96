"""When the controller asks the learner about prompts, of which weights, and that a resume repeats it."""

import asyncio
import dataclasses

import numpy as np
import pytest

from rl.run.prompt_signals import PromptSignalSource
from tests.unit.run.test_controller import PROMPTS, ScriptedLearner, build, snapshots_of

VALUE_HEAD = {"prompts": {"name": "pcl", "args": {"source": "value_head"}}}
GAIN = {"prompts": {"name": "gain", "args": {"source": "learner", "width": 8, "stride": 4}}}


class TellingLearner(ScriptedLearner):
    """Its answers depend on the prompt and on how many batches it has trained, as a policy's do."""

    def __init__(self, trained: int = 0) -> None:
        super().__init__()
        self.first = trained
        self.asked: list[tuple[int, int]] = []

    async def prompt_signals(self, prompts, *, columns, template):
        assert template == (0, 0), "prompts of two tokens are questions whole"
        version = self.first + len(self.batches)
        self.asked.append((version, len(prompts)))
        await asyncio.sleep(0.001)
        last = np.array([prompt[-1] for prompt in prompts], dtype=np.float64)
        made = {
            "hidden": np.stack([last % 4, last % 5, np.sin(last + version)], axis=1).astype(np.float32),
            "intra": np.cos(last + 0.1 * version),
            "inter": np.zeros(len(last)),
        }
        return {name: made[name] for name in columns}


def controller_of(curriculum, *, staleness, state=None):
    learner = TellingLearner(trained=state.version if state else 0)
    made = build(steps=8, staleness=staleness, curriculum=curriculum, learner=learner, state=state)
    source = PromptSignalSource(learner, PROMPTS, made.parts.curriculum.signal_columns)
    made.parts = dataclasses.replace(made.parts, signals=source)
    return made


def test_the_whole_pool_before_the_first_plan_then_each_plans_prompts():
    controller = controller_of(GAIN, staleness=1)
    asyncio.run(controller.run())
    assert controller.parts.learner.asked == [(0, 64), *((version, 6) for version in range(1, 9))]


def test_a_value_head_asks_about_the_plans_prompts_and_candidates():
    controller = controller_of(VALUE_HEAD, staleness=2)
    asyncio.run(controller.run())
    versions, counts = zip(*controller.parts.learner.asked, strict=True)
    assert versions == tuple(range(1, 9)), "nothing of the base"
    assert all(24 <= count <= 30 for count in counts)


@pytest.mark.parametrize("staleness", [0, 2])
@pytest.mark.parametrize("curriculum", [VALUE_HEAD, GAIN], ids=["pcl", "gain"])
def test_resume_from_any_snapshot_chooses_the_same(curriculum, staleness):
    whole = controller_of(curriculum, staleness=staleness)
    asyncio.run(whole.run())
    chosen = [[g.prompt.id for g in plan.groups] for plan in whole.parts.recorder.records]
    assert chosen[-1] != chosen[-2]
    for version, state in snapshots_of(whole):
        resumed = controller_of(curriculum, staleness=staleness, state=state)
        asyncio.run(resumed.run())
        assert [[g.prompt.id for g in plan.groups] for plan in resumed.parts.recorder.records] == chosen[
            version:
        ]
        assert (0, 64) not in resumed.parts.learner.asked
