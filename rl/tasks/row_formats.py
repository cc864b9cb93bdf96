"""One reader for each format of data files: (where, fields) of every row. Values are those of JSON."""

import csv
import datetime
import decimal
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rollout.json_lines import decoded, open_bytes, text_lines

Found = Iterator[tuple[str, dict[str, Any]]]
CELL_LIMIT = 1 << 30
"""Characters of a CSV cell; Python's own limit is 131,072."""


def json_lines(source: Path) -> Found:
    """One JSON object a line.

    Raises:
        ValueError: A line is something else.
    """
    for number, line in text_lines(source):
        where = f"{source}:{number}"
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            fix = "each line must be one JSON object"
            raise ValueError(f"{where}: broken JSON ({error.msg} at column {error.colno}); {fix}") from error
        yield where, _object(fields, where)


def json_array(source: Path) -> Found:
    """A list of objects; a file that begins with an object is read as lines, as JSON Lines under another
    name.

    Raises:
        ValueError: It is something else.
    """
    text = _text(source)
    if text.lstrip().startswith("{"):
        yield from json_lines(source)
        return
    try:
        rows = json.loads(text) if text.strip() else []
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{source}:{error.lineno}: broken JSON ({error.msg} at column {error.colno})"
        ) from error
    if not isinstance(rows, list):
        raise ValueError(
            f"{source}: a JSON {type(rows).__name__}, not a list of objects; write [{{...}}, ...]"
        )
    for number, fields in enumerate(rows, start=1):
        where = f"{source} row {number}"
        yield where, _object(fields, where)


def _object(fields: Any, where: str) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise ValueError(
            f"{where}: a JSON {type(fields).__name__}, not an object; write {{...}} with named columns"
        )
    return fields


def csv_table(source: Path) -> Found:
    """Cells between commas under a line of names. An empty cell holds nothing, and all others hold text.

    Raises:
        ValueError: A row has more or fewer cells than names, or a name stands there twice.
    """
    return _table(source, ",")


def tsv_table(source: Path) -> Found:
    """The same with tabs.

    Raises:
        ValueError: As :func:`csv_table`.
    """
    return _table(source, "\t")


def _table(source: Path, delimiter: str) -> Found:
    csv.field_size_limit(CELL_LIMIT)
    reader = csv.reader(io.StringIO(_text(source), newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    begins = 1
    try:
        for cells in reader:
            where, begins = f"{source}:{begins}", reader.line_num + 1
            if not cells:
                continue
            if names is None:
                names = cells
                if len(set(names)) < len(names):
                    raise ValueError(
                        f"{where}: two columns have the same name ({', '.join(names)}); rename one"
                    )
                continue
            if len(cells) != len(names):
                raise ValueError(
                    f"{where}: {len(cells)} cells under {len(names)} names; put cells that hold {delimiter!r}"
                    " in quotes"
                )
            yield where, {name: cell if cell != "" else None for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        raise ValueError(
            f"{source}:{begins}: not a table of cells between {delimiter!r} ({error})"
        ) from error


def _text(source: Path) -> str:
    with open_bytes(source) as file:
        try:
            return decoded(file.read(), str(source), first=True)
        except (EOFError, OSError) as error:
            raise ValueError(f"{source}: cannot be read ({error}); write it again") from error


def parquet(source: Path) -> Found:
    """Rows of a Parquet file.

    Raises:
        ValueError: It is none.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(source)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(
            f"{source}: not a Parquet file ({str(error).partition(chr(10))[0]}); write it again, or give"
            " another file"
        ) from error
    for number, fields in enumerate(table.to_pylist(), start=1):
        yield f"{source} row {number}", plain_value(fields)


def dataset_directory(source: Path) -> Found:
    """Rows of what ``datasets.save_to_disk`` wrote.

    Raises:
        ValueError: It holds several splits.
    """
    from datasets import DatasetDict, load_from_disk

    dataset = load_from_disk(str(source))
    if isinstance(dataset, DatasetDict):
        parts = ", ".join(sorted(dataset))
        raise ValueError(
            f"{source}: holds several splits ({parts}); name their folders, e.g."
            f" task.train={source / next(iter(dataset))}"
        )
    for number, fields in enumerate(dataset, start=1):
        yield f"{source} row {number}", plain_value(dict(fields))


def plain_value(value: Any) -> Any:
    """Arrow's values as JSON's: times in ISO 8601, decimals as numbers."""
    if isinstance(value, dict):
        return {name: plain_value(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain_value(inner) for inner in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
