"""Holds the program and does what the tester asks over file descriptor 3. It never sees a test or an expected
value."""

import importlib
import socket
import sys
import types
from typing import Any

# A file beside this one in the sandbox
from values import Link, attempt, decode, encode  # type: ignore[import-not-found]

TYPING = ("Any", "Dict", "List", "Optional", "Set", "Tuple", "Union")
"""There without an import, as on coding sites."""
SOLUTION = "Solution"
"""The class whose methods LeetCode calls, and with it the data sets made of its problems."""
SITE = {
    "bisect": "bisect_left bisect_right insort insort_left insort_right",
    "collections": "ChainMap Counter OrderedDict defaultdict deque namedtuple",
    "copy": "deepcopy",
    "functools": "cache cmp_to_key lru_cache partial reduce",
    "heapq": "heapify heappop heappush heappushpop heapreplace nlargest nsmallest",
    "itertools": (
        "accumulate chain combinations combinations_with_replacement cycle groupby islice pairwise"
        " permutations product starmap takewhile zip_longest"
    ),
    "math": "ceil comb cos factorial floor gcd inf isqrt lcm log log2 log10 pi prod sin sqrt",
    "operator": "and_ attrgetter itemgetter or_ xor",
    "random": "randint",
    "string": "ascii_letters ascii_lowercase ascii_uppercase",
    "typing": (
        "Any Callable DefaultDict Deque Dict FrozenSet Iterable Iterator List Optional Sequence Set Tuple"
        " Union"
    ),
}
"""Module -> what a ``class Solution`` finds of it without an import, as it does there; the modules themselves
too."""
MODULES = (*SITE, "datetime", "re", "sys", "time")


class Stage:
    """The program's module, and what the tester holds handles of."""

    def __init__(self, link: Any) -> None:
        self.link = link
        self.module = types.ModuleType("solution")
        self.objects: list[Any] = []
        self.site: dict[str, Any] = {}

    def refer(self, value: Any) -> Any:
        """A handle."""
        self.objects.append(value)
        return {"h": len(self.objects) - 1}

    def resolve(self, tag: str, number: int) -> Any:
        """Return what the tester means by a handle: an object of ours, or a callable of its own."""
        return (
            self.objects[number]
            if tag == "h"
            else lambda *args, **kwargs: self.call_back(number, args, kwargs)
        )

    def call_back(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function that lives in the tester."""
        self.link.send(["callback", number, encode(list(args), self.refer), encode(kwargs, self.refer)])
        kind, *rest = self.link.receive()
        if kind == "raise":
            raise RuntimeError(rest[0])
        return decode(rest[0], self.resolve)

    def load(self, source: str) -> list[Any]:
        """Run the program's top level."""
        namespace = self.module.__dict__
        if any(f"{name}[" in source for name in TYPING):
            namespace.update({name: getattr(importlib.import_module("typing"), name) for name in TYPING})
        sys.modules["solution"] = self.module
        try:
            code = compile(source, "solution.py", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as wrong:
            return ["failed", "compile error", type(wrong).__name__]
        if SOLUTION in code.co_names:
            self.site = site_names(names_in(code))
            namespace.update(self.site)
        _, error = attempt(exec, code, namespace)
        return ["failed", "runtime error", type(error).__name__] if error else ["ready"]

    def do(self, operation: str, *args: Any) -> Any:
        """One request of the tester's."""
        if operation == "name":
            return self.named(args[0])
        target = self.objects[args[0]]
        if operation == "getattr":
            return getattr(target, args[1])
        if operation == "setattr":
            return setattr(target, args[1], decode(args[2], self.resolve))
        if operation == "truth":
            return bool(target)
        if operation == "next":
            return next(target)
        raise ValueError(operation)

    def named(self, name: str) -> Any:
        """Return what the program calls so: of its top level, else a method (``Class.method``, or
        ``Solution``'s) of a new instance for each call, as on LeetCode."""
        scope = self.module.__dict__
        if name in scope and scope[name] is not self.site.get(name, scope):
            return scope[name]
        owner, _, method = name.rpartition(".")
        kind = scope.get(owner or SOLUTION)
        if kind is None or not hasattr(kind, method):
            raise NameError(f"name {name!r} is not defined")
        return lambda *args, **kwargs: getattr(kind(), method)(*args, **kwargs)

    def call(self, number: int, coded_args: Any, coded_kwargs: Any) -> list[Any]:
        """Call an object of ours; arguments that it changed travel back, since tests may look at them."""
        args, kwargs = decode(coded_args, self.resolve), decode(coded_kwargs, self.resolve)
        result = encode(self.objects[number](*args, **kwargs), self.refer)
        after = [encode(v, self.refer) if isinstance(v, (list, dict, set, bytearray)) else None for v in args]
        changed = {
            i: v
            for i, (v, before) in enumerate(zip(after, coded_args, strict=True))
            if v is not None and v != before
        }
        return ["ok", result, list(changed.items())]

    def serve(self) -> None:
        """Until the tester hangs up."""
        while True:
            try:
                operation, *args = self.link.receive()
            except EOFError:
                return
            reply, error = attempt(self.answer, operation, args)
            self.link.send(["raise", type(error).__name__, str(error)[:200]] if error else reply)

    def answer(self, operation: str, args: list[Any]) -> list[Any]:
        """One request's reply."""
        return (
            self.call(*args)
            if operation == "call"
            else ["ok", encode(self.do(operation, *args), self.refer), []]
        )


def names_in(code: types.CodeType) -> set[str]:
    """All global names and attributes that the code and what is defined in it mention."""
    return {*code.co_names}.union(
        *(names_in(part) for part in code.co_consts if isinstance(part, types.CodeType))
    )


def site_names(mentioned: set[str]) -> dict[str, Any]:
    """Those of ``SITE`` that are mentioned."""
    found: dict[str, Any] = {name: importlib.import_module(name) for name in MODULES if name in mentioned}
    for module, names in SITE.items():
        found.update(
            {
                name: getattr(importlib.import_module(module), name)
                for name in names.split()
                if name in mentioned
            }
        )
    return found


if __name__ == "__main__":
    stage = Stage(Link(socket.socket(fileno=3)))
    # Quicker to start than pathlib
    with open("solution.py", encoding="utf-8") as source_file:  # noqa: PTH123
        text = source_file.read()
    sys.argv = ["solution.py"]
    stage.link.send(stage.load(text))
    stage.serve()
