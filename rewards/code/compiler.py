"""From source to files that run, remembered by content."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from rewards.code.languages import Argv, Language, fill, limits_of
from rewards.code.verdict import STOPPED
from rewards.sandbox.base import Job, Limits, Sandbox, Step, Stop

COMPILE_LIMITS: Mapping[str, float] = {"wall_s": 20.0, "cpu_s": 20.0, "memory_mib": 1024, "disk_mib": 128}
CACHE_MIB = 64

Key = tuple[Argv, tuple[str, ...], tuple[tuple[str, bytes], ...]]
"""Command, artifacts, files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A program ready to run."""

    files: Mapping[str, bytes]
    run: Argv
    env: Mapping[str, str]
    limits: Limits

    def step(self, stdin: bytes = b"", args: tuple[str, ...] = (), collect: tuple[str, ...] = ()) -> Step:
        """One run of it on a throw-away state."""
        return Step(argv=(*self.run, *args), stdin=stdin, env=self.env, limits=self.limits, collect=collect)


class Compiler:
    """Builds programs in the sandbox. The same source is compiled once, failures included: a compiler is a
    pure function.

    Args:
        sandbox: Where.
        limits: Fields of ``Limits`` for the runs of what is built, over the language's own.
    """

    def __init__(self, sandbox: Sandbox, limits: Mapping[str, float] | None = None) -> None:
        self._sandbox, self._limits = sandbox, dict(limits or {})
        self._cache: OrderedDict[Key, Mapping[str, bytes] | str] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def build(
        self,
        language: Language,
        source: str,
        *,
        harness: Mapping[str, bytes] | None = None,
        compile: Argv | None = None,
        artifacts: tuple[str, ...] | None = None,
        run: Argv | None = None,
    ) -> Built | str:
        """The built program, or why it cannot be built; the commands are the language's unless given.

        Raises:
            SandboxError: The sandbox failed.
        """
        file, stem = language.source_name(source)
        files = {file: source.encode("utf-8", "replace"), **(harness or {})}
        command = fill(language.compile if compile is None else compile, file, stem)
        if command:
            wanted = language.artifacts if artifacts is None else artifacts
            made = self._compiled(language, command, files, wanted)
            if isinstance(made, str):
                return made
            files = dict(made)
        limits = limits_of({"wall_s": 10.0, "cpu_s": 10.0}, language.limits, self._limits)
        return Built(files=files, run=fill(run or language.run, file, stem), env=language.env, limits=limits)

    def _compiled(
        self, language: Language, command: Argv, files: Mapping[str, bytes], artifacts: tuple[str, ...]
    ) -> Mapping[str, bytes] | str:
        key = (command, artifacts, tuple(sorted(files.items())))
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        limits = limits_of(COMPILE_LIMITS, language.compile_limits)
        step = Step(argv=command, env=language.env, limits=limits, keeps_changes=True, collect=artifacts)
        (outcome,) = self._sandbox.run(Job(files=files, steps=[step]))
        made: Mapping[str, bytes] | str
        if outcome.stop is not Stop.EXIT:
            made = f"compile error: {STOPPED[outcome.stop]}"
        elif outcome.exit_code != 0 or any(name not in outcome.files for name in artifacts):
            made = "compile error"
        else:
            made = {name: outcome.files[name] for name in artifacts}
        if outcome.stop is not Stop.WALL:  # a busy machine, perhaps
            self._remember(key, made)
        return made

    def _remember(self, key: Key, made: Mapping[str, bytes] | str) -> None:
        with self._lock:
            self._cache[key] = made
            self._size += _bytes(key, made)
            while self._size > CACHE_MIB << 20 and self._cache:
                self._size -= _bytes(*self._cache.popitem(last=False))


def _bytes(key: Key, made: Mapping[str, bytes] | str) -> int:
    size = sum(len(content) for _, content in key[2])
    return size + (len(made) if isinstance(made, str) else sum(map(len, made.values())))
