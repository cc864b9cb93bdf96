"""The program's functions and objects, as the tester sees them: stand-ins that can be called but never
compared."""

import builtins
from typing import Any

# A file beside this one in the sandbox
from values import attempt, decode, encode  # type: ignore[import-not-found]

_CONTROL_FLOW = ("StopIteration", "StopAsyncIteration", "GeneratorExit")


class ProgramError(Exception):
    """The program raised something that has no harmless namesake here."""


class ProgramLost(BaseException):
    """The program has ended or talks nonsense; no test may catch this as an ordinary error of its
    function."""


class Remote:
    """The other end of the link."""

    def __init__(self, link: Any) -> None:
        self.link = link
        self.callables: list[Any] = []
        self.raised: Exception | None = None
        """The program's newest exception, as it was raised here."""

    def greeted(self) -> tuple[str, str] | None:
        """Wait until the program is loaded; why it is not, if it says so."""
        try:
            kind, *rest = self.link.receive()
            return None if kind == "ready" else (str(rest[0])[:80], str(rest[1])[:80])
        except (OSError, ValueError, TypeError, LookupError, RecursionError, MemoryError) as error:
            raise ProgramLost(str(error)) from error

    def refer(self, value: Any) -> Any:
        """A tag for an argument that is no data: a stand-in of the program's own object, or a callable of
        ours."""
        if isinstance(value, StandIn):
            return {"h": value._number}
        if not callable(value):
            raise TypeError(f"an argument of type {type(value).__name__} cannot go to the program")
        self.callables.append(value)
        return {"k": len(self.callables) - 1}

    def resolve(self, tag: str, number: int) -> Any:
        """A stand-in for an object of the program's, or our own callable back."""
        if tag == "h":
            return StandIn(self, number)
        return self.callables[number]

    def ask(self, operation: str, *args: Any, changes: tuple[Any, ...] = ()) -> Any:
        """One request; the program's exceptions are raised here under the names of builtin ones."""
        try:
            self.link.send([operation, *args])
            kind, *rest = self.link.receive()
            while kind == "callback":
                self.link.send(self._called_back(*rest))
                kind, *rest = self.link.receive()
            if kind == "ok":
                self._apply(changes, rest[1])
                return decode(rest[0], self.resolve)
            name, message = str(rest[0]), str(rest[1])
        except (
            EOFError,
            OSError,
            ValueError,
            TypeError,
            LookupError,
            ArithmeticError,
            RecursionError,
            MemoryError,
        ) as error:
            raise ProgramLost(str(error)) from error
        self.raised = _exception(name, message)
        raise self.raised

    def call(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call an object of the program's; lists, dicts and sets among ``args`` change here as they did
        there."""
        return self.ask(
            "call", number, [encode(a, self.refer) for a in args], encode(kwargs, self.refer), changes=args
        )

    def _called_back(self, number: int, args: Any, kwargs: Any) -> list[Any]:
        """Send what the tests' function returns or raises where it was called from; an end of the whole test
        does not go there."""
        reply, error = attempt(self._answer, number, args, kwargs)
        if error is None:
            return list(reply)
        if not isinstance(error, Exception):
            raise error
        return ["raise", f"{type(error).__name__}: {error}"]

    def _answer(self, number: int, args: Any, kwargs: Any) -> list[Any]:
        result = self.callables[number](*decode(args, self.resolve), **decode(kwargs, self.resolve))
        return ["ok", encode(result, self.refer)]

    def _apply(self, args: tuple[Any, ...], changed: Any) -> None:
        for index, coded in changed:
            ours, theirs = args[index], decode(coded, self.resolve)
            if type(ours) is not type(theirs):
                continue
            if isinstance(ours, (list, bytearray)):
                ours[:] = theirs
            elif isinstance(ours, (dict, set)):
                ours.clear()
                ours.update(theirs)


def _exception(name: str, message: str) -> Exception:
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and name not in _CONTROL_FLOW:
        try:
            return kind(message)
        except TypeError:  # UnicodeDecodeError and others want more arguments
            return ProgramError(name, message)
    # A StopIteration that leaves a function would end the tests' own loops early, and SystemExit the tests.
    return ProgramError(name, message)


def _refuse(*_: Any) -> Any:
    raise TypeError("an object of the program's own cannot be compared; it is no plain data")


class StandIn:
    """Something of the program's that is not plain data. Attributes, calls and iteration go there;
    comparisons are refused."""

    _remote: Remote
    _number: int

    def __init__(self, remote: Remote, number: int) -> None:
        object.__setattr__(self, "_remote", remote)
        object.__setattr__(self, "_number", number)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it over there."""
        return self._remote.call(self._number, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._remote.ask("getattr", self._number, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._remote.ask("setattr", self._number, name, encode(value, self._remote.refer))

    def _method(self, name: str, *args: Any) -> Any:
        return self._remote.ask("getattr", self._number, name)(*args)

    def __len__(self) -> int:
        try:
            length = self._method("__len__")
        except AttributeError as error:  # ``list(generator)`` asks too, and goes on only after a TypeError
            raise TypeError("no length") from error
        return length if type(length) is int else _refuse()

    def __getitem__(self, key: Any) -> Any:
        return self._method("__getitem__", key)

    def __iter__(self) -> Any:
        iterator = self._method("__iter__")
        while True:
            try:
                item = self._remote.ask("next", iterator._number)
            except ProgramError as error:
                if error.args[0] == "StopIteration":
                    return
                raise
            yield item

    def __repr__(self) -> str:
        return "<an object of the program>"

    def __bool__(self) -> bool:
        return self._remote.ask("truth", self._number) is True

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = None  # type: ignore[assignment]  # what cannot be compared has no place in a set
