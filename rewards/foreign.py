"""Where code of users is called in a verifier process: it may raise anything, and that must cost one sample only."""

from collections.abc import Callable
from typing import Any


def attempt(call: Callable[..., Any], *args: Any) -> tuple[Any, Exception | None]:
    """What it returns, or what it raises."""
    try:
        return call(*args), None
    except Exception as error:  # noqa: BLE001  the one place in a verifier process where foreign code ends
        return None, error
