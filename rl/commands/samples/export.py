"""Rows for the next stage, made of rollouts: accepted ones for ``t2rl sft``, pairs for ``t2rl dpo``."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from rl.commands.samples.choose import Row


def sft_rows(rows: Iterable[Row], *, most: int) -> Iterator[Row]:
    """``{prompt, completion}`` of right completions that ended by themselves, each text once.

    ``most``: of one prompt, in the order of ``rows``.
    """
    seen: dict[str, set[str]] = {}
    for row in rows:
        texts = seen.setdefault(row["prompt"], set())
        if accepted(row) and len(texts) < most and row["completion"] not in texts:
            texts.add(row["completion"])
            yield {"prompt": row["prompt"], "completion": row["completion"]}


def pair_rows(rows: Iterable[Row], *, most: int) -> Iterator[Row]:
    """``{prompt, chosen, rejected}``: a right completion and a wrong one of the same prompt, no text twice.

    ``most``: of one prompt, in the order of ``rows``. Empty completions are left out: no stage takes them.
    """
    right: dict[str, list[str]] = {}
    wrong: dict[str, list[str]] = {}
    for row in rows:
        if row["judged"] and row["completion"]:
            side = right if accepted(row) else wrong if not row["correct"] else None
            texts = side.setdefault(row["prompt"], []) if side is not None else []
            if row["completion"] not in texts:
                texts.append(row["completion"])
    for prompt, chosen in right.items():
        rejected = [text for text in wrong.get(prompt, ()) if text not in chosen]
        for one, other in list(zip(chosen, rejected, strict=False))[:most]:
            yield {"prompt": prompt, "chosen": one, "rejected": other}


def accepted(row: Row) -> bool:
    """True for a completion worth imitating: judged right, ended by its own end token, and not empty."""
    return bool(row["judged"] and row["correct"] and row["finish_reason"] == "stop" and row["completion"])


def write_rows(rows: Iterable[Row], path: Path, *, option: str) -> int:
    """Write JSON lines; returns how many.

    Raises:
        ValueError: ``path`` is there already, its folder is not, or there is no row to write.
    """
    if path.exists():
        raise ValueError(f"{option} {path}: is there already; name a new file")
    if not path.parent.is_dir():
        raise ValueError(f"{option} {path}: there is no folder {path.parent}")
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    if not lines:
        raise ValueError(
            f"{option}: none of the rollouts chosen makes a row: it takes right completions that ended by"
            " themselves, for pairs also wrong ones of the same prompt. Loosen the filters"
        )
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)
