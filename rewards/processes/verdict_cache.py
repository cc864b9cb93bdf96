"""Verdicts by question and answer: policies repeat themselves, within a group and when a prompt comes
again."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence

from rewards.processes.wire import prompt_to_wire
from rollout.types import Prompt, RewardResult

Key = bytes


class VerdictCache:
    """The verdicts asked for last; for one reward with one set of arguments.

    Args:
        size: Verdicts kept, about 0.5 KiB each; 0 keeps none.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._verdicts: OrderedDict[Key, RewardResult] = OrderedDict()

    def get(self, key: Key) -> RewardResult | None:
        """The verdict, if it is still there."""
        if (found := self._verdicts.get(key)) is not None:
            self._verdicts.move_to_end(key)
        return found

    def put(self, key: Key, verdict: RewardResult) -> None:
        """Remember a verdict; the one not asked for the longest goes."""
        self._verdicts[key] = verdict
        self._verdicts.move_to_end(key)
        while len(self._verdicts) > self.size:
            self._verdicts.popitem(last=False)


def keys_of(prompt: Prompt, texts: Sequence[str], truncated: Sequence[bool]) -> list[Key]:
    """[G] digests of all that a reward sees: the prompt (its tokens follow from its text), the completion,
    whether it was cut.

    Raises:
        TypeError: The prompt's metadata are not JSON-able.
    """
    seen = prompt_to_wire(prompt)
    del seen[2]
    question = hashlib.blake2b(json.dumps(seen, sort_keys=True).encode(), digest_size=16)
    keys = []
    for text, cut in zip(texts, truncated, strict=True):
        digest = question.copy()
        digest.update(b"\1" if cut else b"\0")
        digest.update(text.encode("utf-8", "surrogatepass"))
        keys.append(digest.digest())
    return keys
