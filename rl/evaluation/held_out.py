"""Held-out evaluation: fixed prompts, fixed seeds, one policy version, per-problem counts on disk."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rl.config.sections import EvaluationConfig
from rl.engines.rollout_service import RolloutService
from rl.records.storage import write_whole
from rl.stream.plans import HELD_OUT_IDS, GroupState, request_seeds
from rl.views.evaluations import Counts, evaluation_file
from rollout.types import GroupRequest, Prompt, RolloutGroup, SamplingConfig

Keep = Callable[[int, Sequence[RolloutGroup]], Awaitable[None]]
More = Callable[[RolloutGroup], Mapping[str, Any]]
"""Further columns of a group's row."""

EVAL_GROUP_IDS = HELD_OUT_IDS
"""Evaluation groups are numbered from here, so that they never meet a plan's."""
RANGE = 1 << 32
"""Group ids, and so request seeds, that each suite has to itself."""


class EvaluationError(RuntimeError):
    """The evaluation is not of one policy version."""


class Evaluator:
    """Evaluates what the engines serve; the caller holds back weight pushes meanwhile."""

    def __init__(
        self,
        *,
        service: RolloutService,
        prompts: Sequence[Prompt],
        samples: int,
        max_tokens: int,
        top_p: float,
        seed: int,
        directory: Path,
        stop: Sequence[str] = (),
        stop_token_ids: Sequence[int] = (),
        first_id: int = EVAL_GROUP_IDS,
        keep: Keep | None = None,
        more: More | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Name what is asked, and how.

        Args:
            service: Samples and judges.
            prompts: The problems.
            samples: Completions of each problem; one where the temperature is 0.
            max_tokens: Completion tokens at most.
            top_p: Nucleus; 1 where the temperature is 0.
            seed: The same seed gives the same request seeds at every version, so that two are paired.
            directory: Where the counts go.
            stop: Texts that end a completion, beside ``rollout.stop``.
            stop_token_ids: Tokens that end one, beside ``rollout.stop_token_ids``.
            first_id: Groups are numbered from here; evaluations that run side by side need ranges of their
                own.
            keep: Given every completion of a version, once its counts are written.
            more: Gives further columns of a problem's row.
            progress: Called with the completions of each problem that is done.
        """
        self._service = service
        self._prompts = prompts
        self._samples = samples
        self._first_id = first_id
        self._more = more
        self._max_tokens = max_tokens
        self._top_p = top_p
        self._seed = seed
        self._directory = directory
        self._keep = keep
        self._progress = progress
        self._ends: dict[str, Any] = {"stop": tuple(stop), "stop_token_ids": tuple(stop_token_ids)}

    async def run(self, *, version: int, temperatures: Sequence[float]) -> list[Counts]:
        """Counts for each temperature (0 = greedy, one sample), written to ``evaluation_file``.

        Raises:
            EvaluationError: the weights changed meanwhile.
        """
        found = [await self._count_at(version, t) for t in temperatures]
        results = [counts for counts, _ in found]
        await asyncio.to_thread(self._write, version, results)
        if self._keep is not None:
            await self._keep(version, [group for _, groups in found for group in groups])
        return results

    async def _count_at(self, version: int, temperature: float) -> tuple[Counts, list[RolloutGroup]]:
        samples = 1 if temperature == 0 else self._samples
        top_p = 1.0 if temperature == 0 else self._top_p
        sampling = SamplingConfig(
            temperature=temperature, top_p=top_p, max_tokens=self._max_tokens, **self._ends
        )
        states = [self._state(i, prompt, sampling, samples) for i, prompt in enumerate(self._prompts)]
        groups = await asyncio.gather(*(self._finish(s) for s in states))
        rows = []
        for group in groups:
            versions = {s.policy_version for r in group.sampled for s in r.completion.spans}
            if versions != {version}:
                raise EvaluationError(
                    f"evaluation of version {version} met tokens of versions {sorted(versions)}"
                )
            rows.append(
                {
                    "id": group.prompt.id,
                    "category": group.prompt.category,
                    "difficulty": group.prompt.difficulty,
                    "n": len(group.rollouts),
                    "c": group.num_correct,
                    "tokens": group.num_tokens,
                    "unjudged": len(group.unjudged),
                    "reward": float(group.rewards.sum()),
                    "truncated": sum(r.completion.truncated for r in group.sampled),
                    "prompt_tokens": len(group.prompt.token_ids),
                    **({} if self._more is None else self._more(group)),
                }
            )
        return Counts(version=version, sampling=sampling, rows=rows), groups

    async def _finish(self, state: GroupState) -> RolloutGroup:
        group = await self._service.finish(state)
        if self._progress is not None:
            self._progress(len(state.request.seeds))
        return group

    def _state(self, index: int, prompt: Prompt, sampling: SamplingConfig, samples: int) -> GroupState:
        """The same seeds at every version, so that before and after are paired."""
        group_id = self._first_id + index
        request = GroupRequest(
            group_id=group_id,
            prompt_token_ids=prompt.token_ids,
            seeds=request_seeds(self._seed, group_id, samples),
            sampling=sampling,
        )
        return GroupState(request=request, prompt=prompt, plan_step=-1)

    def _write(self, version: int, results: list[Counts]) -> None:
        path = evaluation_file(self._directory, version)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps({"version": version, "temperature": counts.sampling.temperature, **row}) + "\n"
            for counts in results
            for row in counts.rows
        ]
        # A resume takes an evaluation for done where the file is there.
        write_whole(path, "".join(lines).encode())


def temperatures_of(config: EvaluationConfig) -> list[float]:
    """Return the temperatures that the config asks to evaluate at: its own, greedy (0), the extra ones."""
    greedy = [0.0] if config.greedy else []
    return list(dict.fromkeys([config.temperature, *greedy, *config.extra_temperatures]))
