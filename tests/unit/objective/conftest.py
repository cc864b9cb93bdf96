"""Every objective function under test is checked against its jaxtyping annotations at run time."""

from collections.abc import Callable
from typing import Any

import pytest
from beartype import beartype
from jaxtyping import jaxtyped


@pytest.fixture
def checked() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wrap a function so that a wrong shape or dtype raises."""
    return lambda function: jaxtyped(typechecker=beartype)(function)
