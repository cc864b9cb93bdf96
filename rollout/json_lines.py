"""Lines of text files that hold one JSON value each.

A line ends with a line feed and with nothing else: JSON strings may hold U+2028, U+0085 and other characters
at which ``str.splitlines`` would cut them in two. A byte order mark at the start belongs to no line.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

BOM = "\ufeff"
PACKED = {".gz": "gzip", ".zst": "zstd"}
"""Suffixes of packed text."""


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number, line) of every line that is not blank, numbers counting from 1. A file whose name ends in
    ``.gz`` or ``.zst`` is unpacked.

    Raises:
        ValueError: A line is not UTF-8, or the file is not what gzip or zstd wrote; names file and line.
    """
    number = 0
    with open_bytes(path) as file:
        try:
            for number, line in enumerate(file, start=1):
                text = decoded(line, f"{path}:{number}", first=number == 1)
                if text.strip():
                    yield number, text
        except (EOFError, OSError, zlib.error) as error:
            if path.suffix not in PACKED:
                raise
            kind = PACKED[path.suffix]
            raise ValueError(
                f"{path}:{number + 1}: not a whole {kind} file ({error}); write it again"
            ) from error


def open_bytes(path: Path) -> BinaryIO:
    """The file for reading, unpacked if its name ends in ``.gz`` or ``.zst``."""
    if path.suffix == ".zst":
        import pyarrow  # has zstd, which Python itself has from 3.14 on

        return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def decoded(content: bytes, where: str, *, first: bool) -> str:
    """UTF-8 as text, without a byte order mark at the start of a file.

    Raises:
        ValueError: It is not UTF-8.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where}: not UTF-8 ({error.reason} at byte {error.start}); save the file as UTF-8"
        ) from error
    return text.removeprefix(BOM) if first else text
