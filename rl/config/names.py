"""Names that become a part of a path: one component, nothing that leads elsewhere."""

import re

LONGEST = 120
"""Characters; file systems allow 255 bytes, of which suffixes take some."""
_ALLOWED = re.compile(r"[^\x00-\x1f\x7f/\\]+")


def require_path_name(value: str) -> str:
    """``value`` if it names a directory or file inside its parent.

    Raises:
        ValueError: It is empty, has a slash or a control character, begins or ends with a space, is ``.`` or
            ``..``, or too long.
    """
    if not value:
        raise ValueError("is empty; give it a name, for example run")
    if value in (".", "..") or not _ALLOWED.fullmatch(value):
        raise ValueError(
            f"{value!r} is no name of a directory: no slashes, control characters, . or ..; the parent"
            " directory is set elsewhere (run.dir, for a run)"
        )
    if value != value.strip() or value.startswith("-"):
        raise ValueError(
            f"{value!r} begins or ends with a space, or begins with a dash, which shells misread; leave"
            " that out"
        )
    if len(value) > LONGEST:
        raise ValueError(f"has {len(value)} characters; shorten it to {LONGEST} at most")
    return value
