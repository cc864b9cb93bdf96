"""A module that starts a thread when imported, and a reward that needs it to be alive."""

import threading

from rollout.types import Prompt, RewardResult

_asked, _answered = threading.Event(), threading.Event()


def _serve() -> None:
    while _asked.wait():
        _asked.clear()
        _answered.set()


threading.Thread(target=_serve, daemon=True).start()


class NeedsItsThread:
    """Right if the thread answers."""

    def __call__(self, prompt: Prompt, text: str, *, truncated: bool) -> RewardResult:
        _asked.set()
        return RewardResult(value=1.0, correct=_answered.wait(5.0))
