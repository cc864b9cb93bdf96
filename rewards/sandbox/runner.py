"""Runs jobs inside the supervisor: a scratch filesystem per job, one bubblewrap per step."""

import contextlib
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rewards.sandbox import kernel
from rewards.sandbox.base import Job, Outcome, SandboxError, Step, Stop
from rewards.sandbox.bubblewrap import INIT, arguments
from rewards.sandbox.cgroups import Groups
from rewards.sandbox.jobs import Alive, run_linked, run_steps
from rewards.sandbox.scratch import Scratch
from rewards.sandbox.seccomp import filter_file
from rewards.sandbox.view import GROUP, HOSTS, PASSWD, search_path
from rewards.sandbox.watch import Pipes, Watch

FIRST_UID = 64_000
LAST_UID = 64_999
LINK = 3
"""The descriptor at which linked programs find their socket."""
FIXED = {"passwd": PASSWD, "group": GROUP, "hosts": HOSTS}


class Runner:
    """Runs jobs; thread-safe.

    Args:
        root: An existing directory that this process may mount over; its contents disappear from this
            process's view.
        bwrap: Path of the binary.
        read_only: Directories of the host to show beside the system's, at their own paths.
        secure_calls: Whether to load the system call filter.
        groups: Where control groups are made, where the host gives them.
    """

    def __init__(
        self, root: Path, *, bwrap: str, read_only: list[Path], secure_calls: bool, groups: Groups | None
    ) -> None:
        # One owner in a user namespace of its own; as root, a uid of its own for each sandbox at work.
        drops = Path("/proc/self/uid_map").read_text().split()[2] != "1"
        self._owners = list(range(FIRST_UID, LAST_UID + 1)) if drops else [0] * (LAST_UID - FIRST_UID + 1)
        self.drops = drops
        self._root, self._bwrap, self._secure_calls = root, bwrap, secure_calls
        self._search_path = search_path(read_only)
        self._names = itertools.count()
        self._groups = groups
        self._link_lock = threading.Lock()
        kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0711")
        self._read_only = {path: self._shown(path) for path in read_only}
        self._read_only |= {Path("/etc", name): self._written(name, text) for name, text in FIXED.items()}
        init = self._written("sh", Path("/bin/sh").read_bytes())
        init.chmod(0o111)
        self._read_only[Path(INIT)] = init
        _reserve(LINK)

    @property
    def limits(self) -> str:
        """Return what holds the limits on whole trees."""
        return (
            f"cgroups version {self._groups.version} and polling" if self._groups is not None else "polling"
        )

    def close(self) -> None:
        """Remove what outlives this process: its control groups."""
        if self._groups is not None:
            self._groups.close()

    def _shown(self, path: Path) -> Path:
        """A view of the directory that an unprivileged bubblewrap can reach, whatever its parents forbid."""
        place = self._root / f"ro{next(self._names)}"
        place.mkdir()
        kernel.mount(str(path), place, "", kernel.MS_BIND)
        return place

    def _written(self, name: str, text: bytes) -> Path:
        path = self._root / name
        path.write_bytes(text)
        path.chmod(0o644)
        return path

    def run(self, job: Job, alive: Alive) -> list[Outcome]:
        """All steps, one after the other; stops early when ``alive`` says that nobody waits any more."""
        with self._place(job) as place:
            return run_steps(job, place, alive)

    def run_linked(self, tested: Job, tester: Job, alive: Alive) -> tuple[list[Outcome], list[Outcome]]:
        """As of :class:`~rewards.sandbox.base.Sandbox`."""
        with self._place(tested) as of_tested, self._place(tester) as of_tester:
            return run_linked(tested, tester, (of_tested, of_tester), alive)

    @contextlib.contextmanager
    def _place(self, job: Job) -> Iterator["_Place"]:
        with self._scratch() as scratch:
            scratch.add(job.files)
            yield _Place(self, scratch)

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Scratch]:
        try:
            owner = self._owners.pop(0)
        except IndexError as error:
            raise SandboxError(f"more than {LAST_UID - FIRST_UID} sandboxes at once") from error
        scratch = Scratch(self._root / f"s{next(self._names)}", owner)
        try:
            yield scratch
        finally:
            scratch.close()
            self._owners.append(owner)

    def step(
        self, step: Step, scratch: Scratch, alive: Alive, *, last: bool, link: socket.socket | None
    ) -> Outcome:
        """Run in the scratch directory, or, if a later step must not see its changes, in a copy that is
        thrown away."""
        if last:
            return self._execute(step, scratch, alive, link)
        if step.keeps_changes:
            outcome = self._execute(step, scratch, alive, link)
            return outcome if scratch.tidy() else replace(outcome, stop=Stop.DISK)
        copy = Scratch(self._root / f"s{next(self._names)}", scratch.owner)
        try:
            copy.copy_from(scratch)
            return self._execute(step, copy, alive, link)
        finally:
            copy.close()

    def _execute(self, step: Step, scratch: Scratch, alive: Alive, link: socket.socket | None) -> Outcome:
        limits = step.limits
        scratch.allow(limits.disk_mib)
        group = self._groups.open(f"s{next(self._names)}", limits) if self._groups is not None else None
        try:
            process, pipes = self._start(step, scratch, link)
            watch = Watch(
                process=process,
                pipes=pipes,
                limits=limits,
                stdin=step.stdin,
                group=group,
                disk_full=lambda: scratch.exceeds(limits.disk_mib),
                stop_asked=lambda: not alive(),
            )
            return replace(watch.run(), files=scratch.collect(step.collect))
        finally:
            if group is not None:
                group.close()

    def _start(
        self, step: Step, scratch: Scratch, link: socket.socket | None
    ) -> tuple[subprocess.Popen[bytes], Pipes]:
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:

            def pipe(*, inward: bool = False) -> tuple[int, int]:
                """(the supervisor's end, the sandbox's end)"""
                reader, writer = os.pipe()
                kept, given = (writer, reader) if inward else (reader, writer)
                ours.callback(os.close, kept)
                theirs.callback(os.close, given)
                return kept, given

            stdin, their_stdin = pipe(inward=True)
            stdout, their_stdout = pipe()
            stderr, their_stderr = pipe()
            status, their_status = pipe()
            release, their_release = pipe(inward=True)
            descriptors = {"json-status-fd": their_status, "block-fd": their_release}
            calls = filter_file() if self._secure_calls else None
            if calls is not None:
                theirs.callback(os.close, calls)
                descriptors["seccomp"] = calls
            command = arguments(
                self._bwrap,
                step,
                scratch=scratch.path,
                read_only=self._read_only,
                search_path=self._search_path,
                descriptors=descriptors,
            )
            owner = scratch.owner if self.drops else None
            with self._linked(link) as more:
                process = subprocess.Popen(
                    command,
                    stdin=their_stdin,
                    stdout=their_stdout,
                    stderr=their_stderr,
                    pass_fds=(*descriptors.values(), *more),
                    env={},
                    cwd="/",
                    user=owner,
                    group=owner,
                    extra_groups=[] if self.drops else None,
                )
            ours.pop_all()  # the watch closes them
            return process, Pipes(stdin=stdin, stdout=stdout, stderr=stderr, status=status, release=release)

    @contextlib.contextmanager
    def _linked(self, link: socket.socket | None) -> Iterator[tuple[int, ...]]:
        """While inside, descriptor 3 of this process is the link, so that a child can inherit it under that
        number."""
        if link is None:
            yield ()
            return
        with self._link_lock:
            os.dup2(link.fileno(), LINK, inheritable=False)
            try:
                yield (LINK,)
            finally:
                link.close()
                _reserve(LINK)


@dataclass(frozen=True, slots=True)
class _Place:
    """A scratch directory with the runner that runs steps in it."""

    runner: Runner
    scratch: Scratch

    def execute(self, step: Step, alive: Alive, *, last: bool, link: socket.socket | None = None) -> Outcome:
        return self.runner.step(step, self.scratch, alive, last=last, link=link)


def _reserve(descriptor: int) -> None:
    """Occupy it with /dev/null, so that nothing else of this process gets that number."""
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:
        os.dup2(null, descriptor, inheritable=False)
        os.close(null)
