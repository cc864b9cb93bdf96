"""Where code of users is called: it may raise anything, and that must cost one sample only, and be said in
words that help."""

import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

MESSAGE_LIMIT = 200
"""Characters of an exception's message that are passed on."""
_ROOT = Path(__file__).resolve().parents[2]
_NOT_THE_USERS = (
    *(str(_ROOT / name) for name in ("rewards", "rollout", "rl", "curricula", "planner")),
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    "<",
)


def attempt(call: Callable[..., Any], *args: Any) -> tuple[Any, Exception | None]:
    """Return what the call returns, and what it raises."""
    try:
        return call(*args), None
    except Exception as error:  # noqa: BLE001  the one place in a verifier process where foreign code ends
        return None, error


def describe(error: BaseException) -> str:
    """``KeyError at judge.py:12: 'solution'``: type, the innermost line of the user's own code, the first
    line of the message."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_NOT_THE_USERS)
    ]
    place = f" at {_shown(own[-1].filename)}:{own[-1].lineno}" if own else ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" at {_shown(error.filename)}:{error.lineno}"
    message = (str(error).strip().splitlines() or [""])[0][:MESSAGE_LIMIT]
    return f"{type(error).__name__}{place}" + (f": {message}" if message else "")


def _shown(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename
