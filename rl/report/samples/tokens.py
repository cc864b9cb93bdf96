"""Tokens of a completion with what is known of each: its text, its advantage, its engine-learner gap."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rl.report.figures.series import brief

DIGITS = 3


class Pieces:
    """Texts of single tokens, by the tokenizer that lies in the run."""

    def __init__(self, folder: Path) -> None:
        """Read ``tokenizer.json`` of a run's ``base``; without it there are no pieces."""
        from tokenizers import Tokenizer

        file = folder / "tokenizer.json"
        self._tokenizer = Tokenizer.from_file(str(file)) if file.is_file() else None

    def of(self, ids: Sequence[int]) -> list[str] | None:
        """One text a token; a character that several tokens make up is in the last of them. None without a
        tokenizer."""
        from tokenizers.decoders import DecodeStream

        if self._tokenizer is None:
            return None
        stream = DecodeStream(skip_special_tokens=False)
        return [stream.step(self._tokenizer, token) or "" for token in ids]


def token_columns(row: Mapping[str, Any], pieces: Pieces) -> dict[str, Any]:
    """``{pieces, token_advantage, token_gap}`` of one rollout; each None where the run did not keep it."""
    ids = row.get("token_ids")
    texts = pieces.of(ids) if ids else None
    return {
        "pieces": texts,
        "token_advantage": _numbers(row.get("token_advantages")) if texts else None,
        "token_gap": _gaps(row.get("logprobs"), row.get("learner_logprobs")) if texts else None,
    }


def _numbers(values: Sequence[float | None] | None) -> list[float | None] | None:
    return brief([float("nan") if value is None else value for value in values], DIGITS) if values else None


def _gaps(
    engine: Sequence[float | None] | None, learner: Sequence[float | None] | None
) -> list[float | None] | None:
    if not engine or not learner:
        return None
    pairs = zip(engine, learner, strict=True)
    return _numbers([None if a is None or b is None else abs(a - b) for a, b in pairs])
