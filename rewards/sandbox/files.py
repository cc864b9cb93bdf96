"""Files of a job: written, copied and read without ever being led out of their directory by a name or a
link."""

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

MAX_DEPTH = 64


def checked_name(name: str) -> str:
    """The name, if it is a relative path that stays below its directory.

    Raises:
        ValueError: It is not.
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError(f"job file {name!r}: names must be relative, without '..'")
    return name


def write_files(directory: Path, files: Mapping[str, bytes], owner: int) -> None:
    """Write path -> content below a directory, executable, owned by uid and gid ``owner``.

    Raises:
        ValueError: A name leads out of the directory.
    """
    for name, content in files.items():
        path = directory / checked_name(name)
        _make_parents(path.parent, owner)
        path.write_bytes(content)
        path.chmod(0o755)
        os.chown(path, owner, owner)


def _make_parents(path: Path, owner: int) -> None:
    if not path.is_dir():
        _make_parents(path.parent, owner)
        path.mkdir(mode=0o755)
        os.chown(path, owner, owner)


def copy_tree(source: Path, target: Path, owner: int) -> None:
    """Copy what lies in a directory into another, links as links, owned by uid and gid ``owner``."""
    with os.scandir(source) as entries:
        for entry in entries:
            path = target / entry.name
            if entry.is_symlink():
                path.symlink_to(Path(entry.path).readlink())
            elif entry.is_dir():
                path.mkdir()
                copy_tree(Path(entry.path), path, owner)
                path.chmod(stat.S_IMODE(entry.stat().st_mode))
            else:
                shutil.copy(entry.path, path)
            os.chown(path, owner, owner, follow_symlinks=False)


def copied_size(directory: Path, depth: int = 0) -> int | None:
    """Bytes that a copy of the directory takes: holes and further hard links count in full. None if it cannot
    be copied, because it holds more than files, links and directories, or is too deep."""
    if depth > MAX_DEPTH:
        return None
    total = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                size = copied_size(Path(entry.path), depth + 1)
                if size is None:
                    return None
                total += size
            elif stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                total += status.st_size
            else:
                return None
    return total


def read_named(directory: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Contents of those of the named files that exist and are plain files reached through no link."""
    found = {}
    for name in names:
        content = _read_plain(directory, PurePosixPath(checked_name(name)).parts)
        if content is not None:
            found[name] = content
    return found


def _read_plain(directory: Path, parts: tuple[str, ...]) -> bytes | None:
    """Open component by component: a link left by the program must not lead the supervisor to a file of the
    host."""
    *folders, last = parts
    handle = os.open(directory, os.O_DIRECTORY | os.O_PATH)
    try:
        for folder in folders:
            deeper = os.open(folder, os.O_DIRECTORY | os.O_PATH | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = deeper
        file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    except OSError:
        return None
    finally:
        os.close(handle)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        return None
    with os.fdopen(file, "rb") as stream:
        return stream.read()
