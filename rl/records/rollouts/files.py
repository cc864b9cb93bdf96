"""Names of rollout files, and which of them belong to the newest weights.

A file is ``step-00000012.attempt-003.parquet`` (``version-...`` of an evaluation). An attempt that began at
step s supersedes what earlier ones left of the steps >= s, as it does in every file of rows
(``rl.records.metrics.live_rows``). pandas and datasets know nothing of that, so a resume removes those files.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.records.jsonl import read_jsonl

_NAME = re.compile(r"(?P<kind>step|version)-(?P<number>\d{8})\.attempt-(?P<attempt>\d{3,})\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutFile:
    """One file of rollouts."""

    path: Path
    kind: str
    """``step`` or ``version``."""
    number: int
    """The step that the rollouts were for, or the policy version that was evaluated."""
    attempt: int

    @property
    def trained_through(self) -> int:
        """The last step that made what the file shows; -1 for an evaluation of the base."""
        return self.number if self.kind == "step" else self.number - 1


def file_name(kind: str, number: int, attempt: int) -> str:
    """Sorted by name they are sorted by step."""
    return f"{kind}-{number:08d}.attempt-{attempt:03d}.parquet"


def rollout_files(folder: Path) -> list[RolloutFile]:
    """All files of a folder, by number and attempt; none without the folder."""
    if not folder.is_dir():
        return []
    found = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()]
    files = [
        RolloutFile(path=path, kind=match["kind"], number=int(match["number"]), attempt=int(match["attempt"]))
        for path, match in found
        if match
    ]
    return sorted(files, key=lambda file: (file.number, file.attempt))


def starts_of(attempts: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Attempt -> the first step that it trained, from the rows of ``attempts.jsonl``."""
    return {row["attempt"]: row["restored_step"] for row in attempts if "restored_step" in row}


def live_files(files: Sequence[RolloutFile], starts: Mapping[int, int]) -> list[RolloutFile]:
    """The files in the lineage of the newest weights, one a step (a version), by number."""
    newest: dict[int, RolloutFile] = {}
    for file in sorted(files, key=lambda file: file.attempt):
        gone = any(
            attempt > file.attempt and start <= file.trained_through for attempt, start in starts.items()
        )
        if not gone:
            newest[file.number] = file
    return sorted(newest.values(), key=lambda file: file.number)


def remove_superseded(folder: Path, attempts: Path) -> int:
    """Remove the files that are in no lineage any more; returns how many. What a killed writer left goes too.

    Decided by ``attempts.jsonl`` alone, so a kill in the middle leaves the rest to the next attempt.
    """
    files = rollout_files(folder)
    live = {file.path for file in live_files(files, starts_of(read_jsonl(attempts)))}
    gone = [file.path for file in files if file.path not in live]
    for path in [*gone, *folder.glob(".*.tmp")]:
        path.unlink(missing_ok=True)
    return len(gone)
