"""Rows of JSONL files, Parquet files and Hugging Face dataset directories, each with where it stands, for error messages."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMATS = "a .jsonl file, a .parquet file, or a directory written by datasets.save_to_disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record of a file."""

    where: str
    """``FILE:LINE`` of text files, ``FILE row N`` of tables; both count from 1."""
    fields: dict[str, Any]


def read_rows(path: str) -> list[Row]:
    """All rows, in file order.

    Raises:
        ValueError: No such file, a format we do not read, a line that is not a JSON object, or no rows at all.
    """
    source = Path(path)
    if not source.exists():
        raise ValueError(f"{path}: no such file or directory; paths are relative to where t2rl is started ({Path.cwd()})")
    if source.is_dir():
        rows = list(_dataset_rows(source))
    elif source.suffix == ".parquet":
        rows = list(_parquet_rows(source))
    elif source.suffix == ".jsonl":
        rows = list(_jsonl_rows(source))
    else:
        raise ValueError(f"{path}: cannot read {source.suffix or 'a file without suffix'}; give {FORMATS}")
    if not rows:
        raise ValueError(f"{path}: the file is empty; it needs at least one row")
    return rows


def _jsonl_rows(source: Path) -> Iterator[Row]:
    with source.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"{source}:{number}"
            try:
                fields = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                raise ValueError(f"{where}: not UTF-8 ({error.reason} at byte {error.start}); save the file as UTF-8") from error
            except json.JSONDecodeError as error:
                fix = "each line must be one JSON object"
                raise ValueError(f"{where}: broken JSON ({error.msg} at column {error.colno}); {fix}") from error
            if not isinstance(fields, dict):
                raise ValueError(f"{where}: a JSON {type(fields).__name__}, not an object; write {{...}} with named columns")
            yield Row(where=where, fields=fields)


def _parquet_rows(source: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(source)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(
            f"{source}: not a Parquet file ({str(error).splitlines()[0]}); write it again, or give {FORMATS}"
        ) from error
    for number, fields in enumerate(table.to_pylist(), start=1):
        yield Row(where=f"{source} row {number}", fields=fields)


def _dataset_rows(source: Path) -> Iterator[Row]:
    from datasets import DatasetDict, load_from_disk

    try:
        dataset = load_from_disk(str(source))
    except FileNotFoundError as error:
        raise ValueError(f"{source}: this directory holds no dataset written by datasets.save_to_disk; give {FORMATS}") from error
    if isinstance(dataset, DatasetDict):
        parts = ", ".join(sorted(dataset))
        raise ValueError(
            f"{source}: holds several splits ({parts}); name their folders, e.g. task.train={source / next(iter(dataset))}"
        )
    for number, fields in enumerate(dataset, start=1):
        yield Row(where=f"{source} row {number}", fields=dict(fields))
