"""The controller's state on disk: ``state.json``, and its arrays in ``arrays.npz`` beside it. Nothing in them
can run code, so a checkpoint may come from a stranger.

``SCHEMA`` counts the forms that the document has had. A checkpoint of an earlier schema is brought to ours
step by step by ``MIGRATIONS``; one of a later schema, or a pickle of T2RL 0.1.0, is refused with words.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

STATE, ARRAYS, PICKLE = "state.json", "arrays.npz", "state.pkl"

Document = dict[str, Any]

SCHEMA = 3
PART_VERSIONS = {"tickets": 1, "statistics": 3, "curriculum": 4, "planner": 1}
"""Versions of the states inside a document of this schema; a part that changes its own needs a new schema
here."""


def _with_stops(value: Any) -> Any:
    """Schema 2 holds the stop strings and stop tokens of every sampling; before it they had none."""
    if isinstance(value, list | tuple):
        return type(value)(_with_stops(one) for one in value)
    if not isinstance(value, dict):
        return value
    entries = {key: _with_stops(one) for key, one in value.items()}
    return entries | {"stop": (), "stop_token_ids": ()} if entries.keys() >= SAMPLING else entries


SAMPLING = frozenset(("temperature", "top_p", "max_tokens", "nominal_max_tokens", "ignore_eos"))
"""The fields of a sampling, by which one is told in a document of schema 1."""


def _without_spare(stream: Document) -> Document:
    """Schema 3 counts the spare groups of every plan, and holds those that are late; before it there were
    none."""
    return stream | {"plans": [plan | {"spare": 0} for plan in stream["plans"]], "late": []}


MIGRATIONS: dict[int, Callable[[Document], Document]] = {
    1: lambda document: {**document, "stream": _with_stops(document["stream"])},
    2: lambda document: {**document, "stream": _without_spare(document["stream"])},
}
"""Schema n -> what makes a document of schema n one of schema n + 1 (``docs/decisions/0006``)."""

TUPLE, PAIRS, ARRAY, SCALAR = "__tuple__", "__pairs__", "__array__", "__scalar__"
"""Keys for what JSON has no word for: an object with one of these keys alone stands for it."""
TAGS = frozenset((TUPLE, PAIRS, ARRAY, SCALAR))

UNREADABLE = (OSError, EOFError, ValueError, RecursionError, zipfile.BadZipFile, zlib.error)


def write_document(directory: Path, document: Document) -> None:
    """Write a document of ``SCHEMA``: plain values, arrays and tuples of them, all restored exactly.

    Raises:
        ValueError: a value of another kind, naming its place.
    """
    arrays: dict[str, np.ndarray] = {}
    head = {"schema": SCHEMA, "written_by": version("t2rl")}
    text = json.dumps(head | {"state": _encoded(document, arrays, "state")})
    (directory / STATE).write_text(text, encoding="utf-8")
    with (directory / ARRAYS).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_document(directory: Path) -> Document:
    """The document of a checkpoint, brought to ``SCHEMA``.

    Raises:
        ValueError: there is none, it is of a later schema or a pickle, or its files are damaged.
    """
    path = directory / STATE
    if not path.is_file():
        raise ValueError(_missing(directory))
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        schema, written_by = head["schema"], head["written_by"]
        if type(schema) is not int or schema < 1:
            raise ValueError(f"schema {schema!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(path, error) from error
    if schema > SCHEMA:
        raise ValueError(
            f"{path} is of schema {schema}, written by T2RL {written_by}; this is T2RL {version('t2rl')}, and"
            f" the newest schema that it reads is {SCHEMA}. Go on with T2RL {written_by} or a later one"
        )
    try:
        # Opened here, because np.load leaves a torn file open.
        with (directory / ARRAYS).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            document = _decoded(head["state"], arrays)
        for number in range(schema, SCHEMA):
            document = MIGRATIONS[number](document)
    except (*UNREADABLE, KeyError, TypeError) as error:
        raise damaged(path, error) from error
    if not isinstance(document, dict):
        raise damaged(path, TypeError(f"the state is a {type(document).__name__}"))
    return document


def schema_of(directory: Path) -> int:
    """The schema of a checkpoint's document; 0 where that cannot be told."""
    try:
        schema = json.loads((directory / STATE).read_bytes())["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0
    return schema if type(schema) is int else 0


def damaged(path: Path, error: Exception) -> ValueError:
    """The error to raise for files that are not what ``write_document`` wrote."""
    cause = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    return ValueError(
        f"{path} or {ARRAYS} beside it is damaged or was not written by T2RL ({cause}); resume from another"
        " checkpoint"
    )


def _missing(directory: Path) -> str:
    if (directory / PICKLE).is_file():
        return (
            f"{directory / PICKLE} is a pickle of T2RL 0.1.0. A pickle can run code, so it is read no longer."
            " Go on with T2RL 0.1.0, or begin a new run with the model of this one: t2rl export"
            f" {directory.parent.parent}, then model.path"
        )
    return f"{directory} holds no {STATE}: it is not a checkpoint of T2RL, or a part of it was removed"


def _encoded(value: Any, arrays: dict[str, np.ndarray], place: str) -> Any:
    """``value`` as JSON has it; its arrays go to ``arrays`` under a number."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic) and np.asarray(value).dtype.kind in "biufcSUmM":
        name = str(len(arrays))
        arrays[name] = np.asarray(value)
        return {ARRAY if isinstance(value, np.ndarray) else SCALAR: name}
    if type(value) is list:
        return [_encoded(one, arrays, f"{place}[{i}]") for i, one in enumerate(value)]
    if type(value) is tuple:
        return {TUPLE: [_encoded(one, arrays, f"{place}[{i}]") for i, one in enumerate(value)]}
    if isinstance(value, Mapping):
        if all(type(key) is str for key in value) and not TAGS.intersection(value):
            return {key: _encoded(one, arrays, f"{place}.{key}") for key, one in value.items()}
        pairs = [
            [_encoded(key, arrays, f"{place} key"), _encoded(one, arrays, f"{place}.{key}")]
            for key, one in value.items()
        ]
        return {PAIRS: pairs}
    raise ValueError(
        f"{place} is a {type(value).__name__}, which a checkpoint cannot hold: use plain dicts, lists,"
        " numbers, text and numpy arrays"
    )


def _decoded(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Inverse of ``_encoded``."""
    if isinstance(value, list):
        return [_decoded(one, arrays) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        match value:
            case {"__tuple__": inner}:
                return tuple(_decoded(one, arrays) for one in inner)
            case {"__pairs__": pairs}:
                return {_decoded(key, arrays): _decoded(one, arrays) for key, one in pairs}
            case {"__array__": name}:
                return arrays[name]
            case {"__scalar__": name}:
                return arrays[name][()]
    return {key: _decoded(one, arrays) for key, one in value.items()}
