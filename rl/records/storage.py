"""Directories that cannot be written: found before a run starts where possible, and told apart from other
failures where not."""

import errno
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

ASIDE = "left-"
PROBE_BYTES = 1 << 20
"""Written and removed again at the start; a disk with less room than this cannot hold a run."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)
_RUST = re.compile(
    r"(No space left|File too large|Read-only file system|quota exceeded)[^()]*\(os error \d+\)",
    re.IGNORECASE,
)
"""How safetensors words the same failures."""


class StorageError(RuntimeError):
    """A run could not write its directory. The message says which, why and what to do; no traceback adds to
    it."""


def require_writable(folder: Path, *, field: str) -> None:
    """Make ``folder`` if it is missing, and write a file there for a moment.

    Raises:
        ValueError: Naming the path, the reason and ``field``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(os.urandom(PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        fix = (
            "free some space there, or choose another disk"
            if full
            else "choose a directory that you may write to"
        )
        raise ValueError(
            f"{field}: cannot write to {folder} ({error.strerror or error}); {fix} with {field}=DIR"
        ) from error


def require_file(file: Path, *, field: str) -> None:
    """Ask before the work that ends in ``file`` whether it can be written there.

    Raises:
        ValueError: It is a directory, or lies in none.
    """
    if file.is_dir():
        raise ValueError(f"{field} {file}: this is a directory; name a file in it")
    if not file.parent.is_dir():
        raise ValueError(f"{field} {file}: there is no directory {file.parent}; make it first")


def storage_reason(error: BaseException, inside: Path | None = None) -> str | None:
    """Why something could not be written, if that is what ``error`` or what it came from is about; else None.

    Missing permissions count only for files below ``inside``.
    """
    for link in _chain(error):
        if isinstance(link, OSError) and link.errno in NO_ROOM:
            return f"{os.strerror(link.errno)}" + (f" ({link.filename})" if link.filename else "")
        if (
            isinstance(link, OSError)
            and link.errno in FORBIDDEN
            and inside is not None
            and _below(link.filename, inside)
        ):
            return f"{os.strerror(link.errno)} ({link.filename})"
        if found := _RUST.search(str(link)):
            return found.group(1)
    return None


@dataclass(frozen=True)
class StorageErrors:
    """A context in which a failure to write becomes a :class:`StorageError` about ``folder``; everything else
    passes as it is."""

    folder: Path
    advice: Callable[[], str] = str
    """Asked when it happens."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, StorageError):
            return
        reason = storage_reason(error, self.folder)
        if reason is not None:
            told = f"cannot write to {self.folder}: {reason}. {self.advice()}".strip()
            raise StorageError(told) from error


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """``os.write`` until everything is written: on a disk that is nearly full it writes a part, and says so
    by a number only."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file that is there whole or not at all, also after the disk or the machine has failed; it is on
    the disk when this returns. A leading dot keeps readers of the folder off it meanwhile."""
    staging = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    staging.replace(path)


def set_aside(checkpoint: Path) -> None:
    """Give a checkpoint that the run goes back behind a name that no reader takes for a checkpoint's."""
    aside = checkpoint.with_name(f"{ASIDE}{checkpoint.name}")
    shutil.rmtree(aside, ignore_errors=True)
    checkpoint.rename(aside)
    logger.warning(
        "%s is no part of this run any more, which goes on from an earlier step; kept as %s",
        checkpoint,
        aside.name,
    )


def flush(path: Path) -> None:
    """Wait until what was written to a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _below(name: str | bytes | None, folder: Path) -> bool:
    return bool(name) and Path(os.fsdecode(name or "")).absolute().is_relative_to(folder.absolute())


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it is a group of, and what it came from; Ray keeps the latter in ``cause``."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        link = waiting.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner = list(link.exceptions) if isinstance(link, BaseExceptionGroup) else []
        sources = (getattr(link, "cause", None), link.__cause__, link.__context__)
        waiting += [*inner, *(source for source in sources if isinstance(source, BaseException))]
