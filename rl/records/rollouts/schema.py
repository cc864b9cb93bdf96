"""The columns of a rollout file (docs/samples.md says what each one means)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from rl.records.rollouts.lists import Lists

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


def table_of(columns: Mapping[str, Any], *, tokens: bool) -> pa.Table:
    """A table of columns, each a sequence, an array or ``Lists`` with one value a row; NaN and None are null.

    ``components`` are mappings from a name to its value. A column that is missing is null in every row, and
    one that the schema lacks is left out.
    """
    wanted = schema(tokens=tokens)
    rows = len(columns["group_id"])
    arrays = [
        _array(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in wanted
    ]
    return pa.Table.from_arrays(arrays, schema=wanted)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, Lists):
        flat = pa.array(values.values, type=kind.value_type, from_pandas=True)
        mask = None if values.missing is None else pa.array(values.missing)
        return pa.ListArray.from_arrays(_offsets(values.lengths), flat, type=kind, mask=mask)
    if kind == COLUMNS["components"]:
        return _components(values, kind)
    return pa.array(values, type=kind, from_pandas=True)


def _components(values: Sequence[Mapping[str, float]], kind: pa.DataType) -> pa.Array:
    names = [name for components in values for name in components]
    numbers = [float(number) for components in values for number in components.values()]
    pairs = pa.StructArray.from_arrays(
        [pa.array(names, pa.string()), pa.array(numbers, pa.float64())], fields=list(kind.value_type)
    )
    lengths = np.array([len(components) for components in values], dtype=np.int64)
    return pa.ListArray.from_arrays(_offsets(lengths), pairs, type=kind)


def _offsets(lengths: np.ndarray) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
