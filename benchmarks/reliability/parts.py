"""What a run under chaos has beside the quickstart's parts: a reward that runs some programs in the sandbox,
and a tracker that talks to a server.

Light on purpose: verifier processes import it.
"""

import json
import urllib.request
import zlib
from collections.abc import Mapping

from rewards.reasoning_gym import ReasoningGymReward
from rewards.sandbox import Job, Limits, SandboxError, Step, open_sandbox
from rl.records.trackers.base import TrackedRun
from rollout.types import Failure, Prompt, RewardResult

ANSWER_S = 5.0
"""Seconds that the tracker's server has for an answer."""


class SandboxedReward:
    """The quickstart's verdicts; beside one in ``every`` a program runs in the sandbox, as it would for code.

    What it prints changes no verdict: with and without faults the same texts are right.
    """

    on_timeout = "unjudged"

    def __init__(self, *, every: int = 16) -> None:
        self._inner = ReasoningGymReward()
        self._every = every
        self._sandbox = open_sandbox("local") if every else None

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        """Not judged where the sandbox itself failed."""
        result = self._inner(prompt, text, truncated=truncated)
        chance = zlib.crc32(f"{prompt.id} {text}".encode("utf-8", "surrogatepass"))
        if self._sandbox is None or chance % self._every:
            return result
        step = Step(argv=("sh", "-c", "cat"), stdin=b"7", limits=Limits(wall_s=60, cpu_s=60))
        try:
            [outcome] = self._sandbox.run(Job(files={}, steps=[step]))
        except SandboxError:
            return RewardResult.unjudged(Failure.SANDBOX.value, Failure.SANDBOX)
        assert not outcome.ok or outcome.stdout == b"7", "the sandbox gave another program's output"
        return result


class ServedTracker:
    """Posts each row to ``tracker.own.url``."""

    def __init__(self, run: TrackedRun) -> None:
        self._url = str(run.settings["url"])
        self._post({"attempt": run.attempt})

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One row a step."""
        self._post({"step": step, **metrics})

    def finish(self) -> None:
        """Say that nothing follows."""
        self._post({"finished": True})

    def _post(self, row: Mapping[str, float]) -> None:
        with urllib.request.urlopen(self._url, data=json.dumps(row).encode(), timeout=ANSWER_S) as answer:
            answer.read()
