"""Values that a checkpoint may hold, and whether two of them are the same, bit for bit."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rl.run.state_file import read_document, write_document

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ARRAYS_OF: st.SearchStrategy[Any] = hnp.arrays(
    st.sampled_from([np.int32, np.int64, np.float32, np.float64, np.bool_, np.uint8, np.dtype("<U3")]),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=3),
)
KEYS = st.text() | st.sampled_from(["__tuple__", "__array__"]) | st.integers() | st.tuples(st.integers())
PLAIN = st.recursive(
    SCALARS | ARRAYS_OF | st.sampled_from([np.float64(0.1), np.int64(7), np.float32(0.1), np.bool_(True)]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    """The same types and the same bits, in the same order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, np.ndarray | np.generic):
        a, b = np.asarray(one), np.asarray(other)
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one), list(other)) and same(list(one.values()), list(other.values()))
    return bool(one == other)


def through_files(document: dict[str, Any], directory: Path) -> dict[str, Any]:
    write_document(directory, document)
    return read_document(directory)


def facts(value: Any) -> Any:
    """Dataclasses as dicts, to compare arrays inside them."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: facts(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple):
        return tuple(map(facts, value))
    return {key: facts(one) for key, one in value.items()} if isinstance(value, dict) else value
