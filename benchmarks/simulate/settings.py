"""Our own runs that the simulation is held against, which of them it is calibrated on, and what is claimed.
Written before any of them was run or fitted."""

from dataclasses import dataclass

CLAIM = (
    "Calibrated on 4 of 14 settings, the simulated seconds of a step are within 10% of the measured median at"
    " each of the other 10, and within 5% at half of them."
)
BASE = (
    "run.steps=14",
    "evaluation.every=0",
    "evaluation.num_prompts=8",
    "evaluation.samples_per_prompt=2",
    "evaluation.ks=[1,2]",
    "evaluation.extra_temperatures=[]",
    "evaluation.bootstrap=200",
    "checkpoint.every=100",
    "checkpoint.at_end=false",
    "tracker=none",
)
"""On top of quickstart: no evaluation or checkpoint between the steps that are timed."""
FREE = ("rollout.cores=null", "learner.cores=null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One run of the quickstart with other figures."""

    name: str
    overrides: tuple[str, ...]
    calibrates: bool = False


SETTINGS = (
    Setting(name="s0", overrides=("stream.max_staleness=0",), calibrates=True),
    Setting(name="s1", overrides=(), calibrates=True),
    Setting(
        name="s0 small",
        overrides=(
            "stream.max_staleness=0",
            "stream.prompts_per_step=16",
            "stream.rollouts_per_prompt=8",
            "learner.updates_per_batch=1",
        ),
        calibrates=True,
    ),
    Setting(
        name="s0 2+2",
        overrides=("stream.max_staleness=0", *FREE, "rollout.num_engines=2", "learner.num_ranks=2"),
        calibrates=True,
    ),
    Setting(name="s2", overrides=("stream.max_staleness=2",)),
    Setting(name="s1 16 prompts", overrides=("stream.prompts_per_step=16",)),
    Setting(name="s1 64 prompts", overrides=("stream.prompts_per_step=64",)),
    Setting(name="s1 8 rollouts", overrides=("stream.rollouts_per_prompt=8",)),
    Setting(name="s0 16 tokens", overrides=("stream.max_staleness=0", "rollout.max_tokens=16")),
    Setting(name="s1 1 update", overrides=("learner.updates_per_batch=1",)),
    Setting(name="s1 128 seats", overrides=("rollout.max_num_seqs=128",)),
    Setting(name="s0 64 prompts", overrides=("stream.max_staleness=0", "stream.prompts_per_step=64")),
    Setting(name="s1 2 engines", overrides=(*FREE, "rollout.num_engines=2")),
    Setting(name="s1 2+2", overrides=(*FREE, "rollout.num_engines=2", "learner.num_ranks=2")),
)
