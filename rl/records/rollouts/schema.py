"""The columns of a rollout file (docs/samples.md says what each one means)."""

from typing import Any

import pyarrow as pa

COLUMNS: dict[str, pa.DataType] = {
    "attempt": pa.int32(),
    "step": pa.int32(),
    "group_id": pa.int64(),
    "index": pa.int32(),
    "prompt_id": pa.string(),
    "category": pa.string(),
    "difficulty": pa.int32(),
    "prompt": pa.string(),
    "completion": pa.string(),
    "reward": pa.float64(),
    "components": pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64())])),
    "reason": pa.string(),
    "failure": pa.string(),
    "judged": pa.bool_(),
    "correct": pa.bool_(),
    "kept": pa.bool_(),
    "decision": pa.string(),
    "trained": pa.bool_(),
    "advantage": pa.float64(),
    "length": pa.int32(),
    "prompt_length": pa.int32(),
    "finish_reason": pa.string(),
    "version_min": pa.int32(),
    "version_max": pa.int32(),
    "staleness": pa.int32(),
    "gap_mean": pa.float64(),
    "gap_max": pa.float64(),
    "temperature": pa.float64(),
}
TOKEN_COLUMNS: dict[str, pa.DataType] = {
    "token_ids": pa.list_(pa.int32()),
    "token_versions": pa.list_(pa.int32()),
    "logprobs": pa.list_(pa.float32()),
    "learner_logprobs": pa.list_(pa.float32()),
    "token_advantages": pa.list_(pa.float32()),
}
"""With ``records.tokens=true`` only."""


def schema(*, tokens: bool) -> pa.Schema:
    """The columns in their order."""
    return pa.schema(COLUMNS | (TOKEN_COLUMNS if tokens else {}))


def table_of(rows: list[dict[str, Any]], *, tokens: bool) -> pa.Table:
    """A table of rows; a column that a row lacks is null there."""
    return pa.Table.from_pylist(rows, schema=schema(tokens=tokens))
