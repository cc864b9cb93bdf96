"""The language of pool and verifier process: length-prefixed JSON over a socket, and a few shared bytes of
progress.

JSON, not pickle: a verifier handles model-written text, so nothing that comes back from it may run code.
Escaped JSON carries null bytes, lone surrogates and NaN unharmed.
"""

import json
import mmap
import struct
import time
from typing import IO, Any

from rollout.types import Failure, Prompt, RewardResult

LENGTH = struct.Struct(">Q")
_MARK = struct.Struct("<q")
_TIME = struct.Struct("<d")
REASON_LIMIT = 300
"""Characters of a reason that are sent back."""


def frame(message: Any) -> bytes:
    """A message as bytes: 8 bytes of length, then JSON.

    Raises:
        TypeError: The message holds something that JSON cannot say.
    """
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return LENGTH.pack(len(body)) + body


def read_frame(stream: IO[bytes]) -> Any:
    """The next message of a blocking stream; None at its end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return json.loads(stream.read(LENGTH.unpack(head)[0]))


def prompt_to_wire(prompt: Prompt) -> list[Any]:
    """All fields of a prompt, JSON-able if its metadata are."""
    return [
        prompt.id,
        prompt.text,
        [int(token) for token in prompt.token_ids],
        prompt.answer,
        prompt.category,
        prompt.difficulty,
        dict(prompt.metadata),
        list(prompt.thinking_tags),
    ]


def prompt_from_wire(fields: list[Any]) -> Prompt:
    """Inverse of :func:`prompt_to_wire`; tuples in the metadata have become lists."""
    prompt_id, text, token_ids, answer, category, difficulty, metadata, (opening, closing) = fields
    return Prompt(
        id=prompt_id,
        text=text,
        token_ids=tuple(token_ids),
        answer=answer,
        category=category,
        difficulty=difficulty,
        metadata=metadata,
        thinking_tags=(opening, closing),
    )


def result_to_wire(result: RewardResult) -> list[Any]:
    """A result as plain JSON types, whatever number types the reward used."""
    components = {str(name): float(part) for name, part in result.components.items()}
    return [
        float(result.value),
        bool(result.correct),
        components,
        str(result.reason)[:REASON_LIMIT],
        bool(result.judged),
        result.failure,
    ]


def result_from_wire(fields: list[Any]) -> RewardResult:
    """Inverse of :func:`result_to_wire`."""
    value, correct, components, reason, judged, failure = fields
    return RewardResult(
        value=value,
        correct=correct,
        components=components,
        reason=reason,
        judged=judged,
        failure=None if failure is None else Failure(failure),
    )


class Progress:
    """Which completion the verifier is at, and since when: shared memory, because a verifier that hangs can
    no longer answer."""

    SIZE = _MARK.size + _TIME.size
    READING = -1
    WRITING = -2

    def __init__(self, fd: int) -> None:
        """Map an anonymous file of ``SIZE`` bytes."""
        self._shared = mmap.mmap(fd, self.SIZE)

    def mark(self, index: int) -> None:
        """Now at completion ``index``, or ``READING`` or ``WRITING`` a message."""
        # Time first: a reader between the two writes sees a young clock, never an old clock on a new index.
        _TIME.pack_into(self._shared, _MARK.size, time.monotonic())
        _MARK.pack_into(self._shared, 0, index)

    def read(self) -> tuple[int, float]:
        """(index, ``time.monotonic()`` when it began); the clock is the machine's, so it compares across
        processes."""
        return _MARK.unpack_from(self._shared, 0)[0], _TIME.unpack_from(self._shared, _MARK.size)[0]
