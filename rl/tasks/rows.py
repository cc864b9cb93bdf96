"""Rows of data files, each with where it stands, for error messages. Which files there are, and which format
each is in."""

import glob
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl.tasks import row_formats
from rl.tasks.hub_rows import hub_rows
from rollout.json_lines import PACKED

FORMATS = (
    "a .jsonl, .json, .csv, .tsv or .parquet file (text may be .gz or .zst), a folder or a pattern of them, a"
    " directory written by datasets.save_to_disk, or hf:NAME:SPLIT"
)
READERS: dict[str, Callable[[Path], Iterator[tuple[str, dict[str, Any]]]]] = {
    ".jsonl": row_formats.json_lines,
    ".ndjson": row_formats.json_lines,
    ".json": row_formats.json_array,
    ".csv": row_formats.csv_table,
    ".tsv": row_formats.tsv_table,
    ".parquet": row_formats.parquet,
}
"""Suffix -> reader of (where, fields); all but Parquet may be followed by ``.gz`` or
``.zst``."""
SPLIT_NAME = re.compile(r"(?:^|[^a-z])(train|test|dev|valid|validation|eval)(?:[^a-z]|$)", re.IGNORECASE)
MISSING = object()
HUB = "hf:"
"""Before a dataset's name on the Hugging Face hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record of a file."""

    where: str
    """``FILE:LINE`` of text files, ``FILE row N`` of tables and arrays; both count from 1."""
    fields: dict[str, Any]

    def get(self, column: str) -> Any:
        """Return what a column holds, MISSING if there is none. ``reward_model.ground_truth`` is a key inside
        of a column, unless a column has this very name."""
        if column in self.fields:
            return self.fields[column]
        value: Any = self.fields
        for part in column.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return MISSING
            value = value[part]
        return value

    @property
    def columns(self) -> str:
        """Names for an error message, keys inside of columns included."""
        names = (
            f"{n}.{{{', '.join(map(str, v))}}}" if isinstance(v, Mapping) and v else str(n)
            for n, v in self.fields.items()
        )
        return ", ".join(names) or "none"


def read_rows(path: str) -> list[Row]:
    """All rows, in file order; those of several files one file after the other, in order of their names.

    Raises:
        ValueError: No such file, a format we do not read, a line that is not a JSON object, or no rows at
            all.
    """
    source = Path(path).expanduser()
    if path.startswith(HUB):
        rows = [Row(where=where, fields=fields) for where, fields in hub_rows(path.removeprefix(HUB))]
    elif is_saved_dataset(source):
        found = row_formats.dataset_directory(source)
        rows = [Row(where=where, fields=fields) for where, fields in found]
    else:
        rows = [
            Row(where=where, fields=fields)
            for file in files_of(path)
            for where, fields in reader_of(file)(file)
        ]
    if not rows:
        raise ValueError(f"{path}: the file is empty; it needs at least one row")
    return rows


def files_of(path: str) -> list[Path]:
    """The files that a path, a folder or a pattern stands for.

    Raises:
        ValueError: There are none, or a folder holds files of several splits.
    """
    source = Path(path).expanduser()
    if source.is_dir():
        files = sorted(file for file in source.iterdir() if file.is_file() and suffix_of(file) in READERS)
        if not files:
            raise ValueError(f"{path}: this directory holds no data; give {FORMATS}")
        splits = sorted(
            {found.group(1).lower() for file in files if (found := SPLIT_NAME.search(file.name)) is not None}
        )
        if len(splits) > 1:
            one = f"task.train='{path}/{splits[-1]}*'"
            raise ValueError(
                f"{path}: holds files of several splits ({', '.join(splits)}); name those of one, e.g. {one}"
            )
        return files
    if source.exists():
        return [source]
    matches = sorted(glob.glob(str(source), recursive=True))  # noqa: PTH207
    files = [Path(found) for found in matches if Path(found).is_file()]
    if not files:
        what = "no file matches" if glob.has_magic(path) else "no such file or directory"
        raise ValueError(f"{path}: {what}; paths are relative to where t2rl is started ({Path.cwd()})")
    return files


def suffix_of(file: Path) -> str:
    """The suffix that names the format, that of packed text included."""
    packed = file.suffix in PACKED
    inner = Path(file.stem).suffix if packed else file.suffix
    return "" if packed and inner == ".parquet" else inner.lower()


def reader_of(file: Path) -> Callable[[Path], Iterator[tuple[str, dict[str, Any]]]]:
    """By the suffix.

    Raises:
        ValueError: No format that we read.
    """
    if suffix_of(file) not in READERS:
        raise ValueError(f"{file}: cannot read {file.suffix or 'a file without suffix'}; give {FORMATS}")
    return READERS[suffix_of(file)]


def is_saved_dataset(source: Path) -> bool:
    """True for what ``datasets.save_to_disk`` writes."""
    return (source / "dataset_dict.json").is_file() or (
        (source / "state.json").is_file() and (source / "dataset_info.json").is_file()
    )
