"""Arrays that grow and arrays as JSON: what a columnar store needs to be appended to and saved exactly. numpy
only."""

import base64
from typing import Any

import numpy as np


def grown(array: np.ndarray, size: int, *, fill: int = 0) -> np.ndarray:
    """``array`` if its first axis holds ``size``, else a copy at least twice as long, new places set to
    ``fill``."""
    if len(array) >= size:
        return array
    out = np.full((max(size, 2 * len(array), 16), *array.shape[1:]), fill, dtype=array.dtype)
    out[: len(array)] = array
    return out


def encode(array: np.ndarray) -> dict[str, Any]:
    """JSON-able form that keeps every bit (little-endian bytes in base64)."""
    data = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {
        "dtype": data.dtype.str,
        "shape": list(data.shape),
        "base64": base64.b64encode(data.tobytes()).decode("ascii"),
    }


def decode(state: dict[str, Any]) -> np.ndarray:
    """Inverse of ``encode``; the result is writable."""
    data = np.frombuffer(base64.b64decode(state["base64"]), dtype=np.dtype(state["dtype"]))
    return data.reshape(state["shape"]).astype(data.dtype.newbyteorder("="))
