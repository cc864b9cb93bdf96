"""What the reward tests share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rollout.types import Prompt


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> str:
    """Import path of the reward that misbehaves on command; its folder is on the path, as a user's own would
    be."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return "hostile:CommandReward"


@pytest.fixture
def prompt_for() -> Callable[[str], Prompt]:
    """A prompt with the given reference answer."""
    return lambda answer: Prompt(id="p", text="?", token_ids=(1, 2), answer=answer)
