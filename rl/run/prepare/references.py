"""Reference answers that their own reward rejects, found before training: no rollout at such a prompt could
ever be right.

Every row's answer is put into natural phrasings (``rewards.golds``) and judged in verifier processes, as
completions are; a row is bad if none of them is taken, and doubtful if some are not. What was found is kept
in the run's directory, so that a resumed run goes on without the same rows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewards.golds import gold_texts
from rl.config.task import FileTaskConfig
from rl.config.task_mixture import in_part, part_of, parts_of
from rl.records.storage import write_whole
from rl.run.prepare.references_judge import Verdicts, judge_references
from rl.tasks import Task
from rollout.json_lines import text_lines
from rollout.types import Prompt, Reward

if TYPE_CHECKING:
    from rl.config.schema import Config

FILE = "bad_references.jsonl"
SHOWN = 5
"""Rows that are named on the screen; the file has all."""
WIDTH = 80
"""Characters of a text that is shown."""
MOSTLY = 0.5
"""Share of rejected references above which the reward, and not the rows, is taken to be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadReference:
    """One row whose answer was not taken in every phrasing."""

    id: str
    where: str
    """File and line."""
    answer: str
    text: str
    """The first phrasing that was not taken, and why."""
    reason: str
    taken: int
    of: int
    """Phrasings taken, and tried."""

    @property
    def shown(self) -> str:
        """For the screen."""
        phrasing = f": {_clipped(self.text)}" if self.taken else ""
        return f"\n  {self.where}: {_clipped(self.answer)} ({self.reason}{phrasing})"


def _clipped(text: str) -> str:
    return repr(text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}...")


@dataclass(slots=True, kw_only=True)
class References:
    """The outcome of checking a run's references.

    Args:
        previous: Directory of the run that is resumed: what it found stands, and nothing is judged again.
    """

    previous: Path | None = None
    counts: dict[str, float] = field(default_factory=dict)
    """For the log."""
    bad: list[BadReference] = field(default_factory=list)
    """No phrasing was taken: no rollout could ever be right."""
    doubtful: list[BadReference] = field(default_factory=list)
    """Some phrasings were not taken: some right rollouts would count as wrong."""
    notes: list[str] = field(default_factory=list)
    """To be said before training."""

    def usable(
        self, config: "Config", task: Task, reward: Reward, train: list[Prompt], held_out: Sequence[Prompt]
    ) -> list[Prompt]:
        """The train prompts that are left. Held-out ones stay, so that figures compare.

        Raises:
            ValueError: ``task.on_bad_reference=error`` and one is bad; or most are, so that reward and
                answers do not fit.
        """
        checked = {
            name: part
            for name, part in parts_of(config.task).items()
            if isinstance(part, FileTaskConfig) and part.reference_check_s > 0
        }
        if not checked:
            return train
        if self.previous is not None:
            self._read(self.previous / FILE)
        else:
            self._judge(config, task, reward, train, held_out, checked)
        dropping = {name for name, part in checked.items() if part.on_bad_reference == "drop"}
        rejected = {one.id for one in self.bad if part_of(config.task, one.id) in dropping}
        if not dropping:
            return train
        left = [p for p in train if p.id not in rejected]
        self.counts["references/dropped"] = float(len(train) - len(left))
        return left

    def metrics(self) -> dict[str, float]:
        """Counts for the log; none where nothing was judged."""
        return self.counts

    def write(self, directory: Path) -> None:
        """Keep what was found in a new run's directory: a row of counts, then the bad references and the
        doubtful ones."""
        if self.previous is None and self.counts:
            rows = [self.counts, *(asdict(one) for one in (*self.bad, *self.doubtful))]
            write_whole(directory / FILE, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def _read(self, path: Path) -> None:
        """A run without the file has judged nothing, and goes on with all its rows."""
        if path.is_file():
            self.counts, *rows = [json.loads(line) for _, line in text_lines(path)]
            found = [BadReference(**row) for row in rows]
            self.bad, self.doubtful = (
                [one for one in found if not one.taken],
                [one for one in found if one.taken],
            )

    def _judge(
        self,
        config: "Config",
        task: Task,
        reward: Reward,
        train: Sequence[Prompt],
        held_out: Sequence[Prompt],
        checked: Mapping[str, FileTaskConfig],
    ) -> None:
        from rl.scorers.verifiers import pool_options

        looked_at = [p for p in (*train, *held_out) if part_of(config.task, p.id) in checked]
        asked = [(p, texts) for p in looked_at if (texts := gold_texts(reward, p))]
        silent = len(looked_at) - len(asked)
        verdicts = Verdicts()
        if asked:
            options = pool_options(config, task.reward_name, task.reward_args)
            seconds = max(section.reference_check_s for section in checked.values())
            verdicts = judge_references(task.reward_name, task.reward_args, options, asked, seconds=seconds)
        order = {p.id: i for i, (p, _) in enumerate(asked)}
        origin = getattr(task, "origin", lambda prompt: f"prompt {prompt.id}")
        found = [
            BadReference(
                id=r.prompt.id,
                where=origin(r.prompt),
                answer=r.prompt.answer,
                text=r.text,
                reason=r.reason,
                taken=r.taken,
                of=r.of,
            )
            for r in sorted(verdicts.refused, key=lambda refused: order[refused.prompt.id])
        ]
        self.bad, self.doubtful = [one for one in found if not one.taken], [one for one in found if one.taken]
        self.counts = {
            "references/judged": verdicts.judged,
            "references/rejected": len(self.bad),
            "references/doubtful": len(self.doubtful),
            "references/undecided": verdicts.undecided,
            "references/no_time": verdicts.left,
            "references/no_gold": silent,
        }
        self._say_unjudged(
            " and ".join(sorted({s.reward for s in checked.values()})), verdicts, silent=silent
        )
        held = {p.id for p in held_out}
        for name, section in checked.items():
            ids = (*verdicts.accepted, *(one.id for one in found))
            judged = sum(part_of(config.task, one) == name for one in ids)
            self._decide(config.task, name, section, judged=judged, held_out=held)

    def _say_unjudged(self, reward: str, verdicts: Verdicts, *, silent: int) -> None:
        if silent:
            self.notes.append(
                f"{silent} reference answers were not tried: the reward {reward} does not say how a right"
                " completion looks (gold_texts), and the rows have no gold_completion in their metadata"
            )
        if verdicts.undecided:
            self.notes.append(
                f"{verdicts.undecided} reference answers could not be judged: the reward failed or took too"
                " long"
            )
        if verdicts.left:
            self.notes.append(
                f"{verdicts.judged} reference answers were tried in {verdicts.seconds:.0f} s, {verdicts.left}"
                " were not (task.reference_check_s)"
            )

    def _decide(
        self, task: Any, name: str, section: FileTaskConfig, *, judged: int, held_out: set[str]
    ) -> None:
        """Say what was found in a part of a mixture, or in the task ('')."""
        reward = section.reward
        bad, doubtful = (
            [one for one in found if part_of(task, one.id) == name] for found in (self.bad, self.doubtful)
        )
        if doubtful:
            first = "".join(one.shown for one in doubtful[:SHOWN])
            self.notes.append(
                f"the reward {reward} takes the reference answers of {len(doubtful)} of"
                f" {judged} rows in some natural phrasings and not in others, so that right"
                f" completions may count as wrong; the first:{first}"
            )
        if not bad:
            return
        first = "".join(one.shown for one in bad[:SHOWN])
        text = (
            f"the reward {reward} rejects the reference answers of {len(bad)} of {judged} rows,"
            f" the first:{first}"
        )
        mostly = len(bad) > MOSTLY * judged and section.on_bad_reference != "keep"
        if mostly or section.on_bad_reference == "error":
            why = (
                "so reward and answers do not seem to fit"
                if mostly
                else "no completion could ever be right there"
            )
            said = (
                f"{text}\n{why}; mend the answers or task.reward_args, look with t2rl rewards check, or"
                f" set task.on_bad_reference={'keep' if mostly else 'drop'}"
            )
            raise ValueError(in_part(name, said) if name else f"task: {said}")
        outside = sum(one.id in held_out for one in bad)
        inside = len(bad) - outside
        fate = (
            f"{inside} are left out of training"
            if section.on_bad_reference == "drop"
            else f"{inside} are trained on all the same"
        )
        stay = f"; {outside} are held out, and stay: they count as wrong" if outside else ""
        self.notes.append(
            f"{text}\n{fate} (task.on_bad_reference={section.on_bad_reference}){stay}; all are in RUN/{FILE}"
        )
