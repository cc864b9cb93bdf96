"""Plain data on a socket: what tested program and tester exchange. JSON frames with tags, never pickle.

Numbers, strings, bytes, None, and lists, tuples, sets and dicts of them travel by value and arrive as exactly
the built-in type. All else stays where it is and travels as a number (a handle), so that no object of the
program, with methods of its own, ever takes part in a comparison of the tester's.
"""

import importlib
from collections import deque
from collections.abc import Callable
from json import dumps, loads
from typing import Any

LENGTH = 4
LARGEST = 16 << 20
"""Bytes of one message."""
_SMALL = 2**53


class NotData(TypeError):
    """Something that cannot travel by value."""


def attempt(call: Callable[..., Any], *args: Any) -> tuple[Any, BaseException | None]:
    """Return what somebody else's code returns, or what it raises; ``SystemExit`` too is a failure of that
    code and no end of ours."""
    try:
        return call(*args), None
    except BaseException as error:  # noqa: BLE001  # the one place in the harness where foreign code ends
        return None, error


def encode(value: Any, refer: Callable[[Any], Any] | None = None) -> Any:
    """A value as JSON types; ``refer`` gives the tag of what is not data.

    Raises:
        NotData: There is something else in it, and no ``refer``.
        RecursionError: It contains itself.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -_SMALL <= value <= _SMALL else {"i": hex(value)}
    if isinstance(value, float):
        return {"f": float.hex(value)}
    if isinstance(value, str):
        return str.__str__(value)
    return _encode_compound(value, refer)


def _encode_compound(value: Any, refer: Callable[[Any], Any] | None) -> Any:
    if isinstance(value, (list, deque)):
        return [encode(v, refer) for v in value]
    for kind, tag in ((tuple, "t"), (set, "s"), (frozenset, "z")):
        if isinstance(value, kind):
            return {tag: [encode(v, refer) for v in value]}
    if isinstance(value, dict):
        return {"d": [[encode(k, refer), encode(v, refer)] for k, v in value.items()]}
    if isinstance(value, (bytes, bytearray)):
        return {"b" if isinstance(value, bytes) else "a": bytes(value).hex()}
    if isinstance(value, complex):
        return {"c": [float.hex(value.real), float.hex(value.imag)]}
    if isinstance(value, range):
        return {"r": [value.start, value.stop, value.step]}
    library = type(value).__module__
    if library in ("decimal", "fractions") and type(value).__name__ in ("Decimal", "Fraction"):
        return {library: str(value)}
    if library == "numpy" and hasattr(value, "tolist"):
        return encode(value.tolist(), refer)
    if refer is None:
        raise NotData(f"{type(value).__name__} is not plain data")
    return refer(value)


_LEAVES: dict[str, Callable[[Any], Any]] = {
    "i": lambda v: int(v, 16),
    "f": float.fromhex,
    "b": bytes.fromhex,
    "a": bytearray.fromhex,
    "c": lambda v: complex(float.fromhex(v[0]), float.fromhex(v[1])),
    "r": lambda v: range(*v),
    "decimal": lambda v: _number("decimal", "Decimal", v),
    "fractions": lambda v: _number("fractions", "Fraction", v),
}


def _number(module: str, name: str, text: str) -> Any:
    return getattr(importlib.import_module(module), name)(text)


def decode(coded: Any, resolve: Callable[[str, int], Any] | None = None) -> Any:
    """Inverse of :func:`encode`; ``resolve(tag, number)`` gives what a handle stands for.

    Raises:
        ValueError: No such tag.
    """
    if isinstance(coded, list):
        return [decode(v, resolve) for v in coded]
    if not isinstance(coded, dict):
        return coded
    ((tag, value),) = coded.items()
    if tag in _LEAVES:
        return _LEAVES[tag](value)
    if tag == "d":
        return {decode(k, resolve): decode(v, resolve) for k, v in value}
    kinds: dict[str, Callable[[Any], Any]] = {"t": tuple, "s": set, "z": frozenset}
    if tag in kinds:
        return kinds[tag](decode(v, resolve) for v in value)
    if resolve is None or not isinstance(value, int):
        raise ValueError(f"unknown tag {tag!r}")
    return resolve(tag, value)


class Link:
    """Messages over one end of a stream socket."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def send(self, message: Any) -> None:
        """One message of JSON types."""
        body = dumps(message, separators=(",", ":")).encode("ascii")
        self._connection.sendall(len(body).to_bytes(LENGTH, "big") + body)

    def receive(self) -> Any:
        """The next one.

        Raises:
            EOFError: The other side is gone, or says nothing sensible.
        """
        size = int.from_bytes(self._read(LENGTH), "big")
        if size > LARGEST:
            raise EOFError("message too large")
        try:
            return loads(self._read(size))
        except (ValueError, RecursionError) as error:
            raise EOFError("not a message") from error

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self._connection.recv(min(size - len(parts), 1 << 20))
            except OSError as error:
                raise EOFError("the connection broke") from error
            if not part:
                raise EOFError("the other side has ended")
            parts += part
        return bytes(parts)
