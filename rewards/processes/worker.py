"""The work of a verifier process, forked by :mod:`rewards.processes.template` and killed by
:class:`rewards.processes.process.VerifierProcess`.

It reads one group per message, judges it text by text, and answers with lists of verdicts, in order: one list
unless judging takes long, so that little is judged again when a text kills or hangs it. It must stay light:
no torch, Ray or vLLM.
"""

import ctypes
import logging
import os
import resource
import signal
import socket
import time
from functools import partial
from typing import IO, Any, cast

from rewards import build_reward, timeout_means
from rewards.processes.wire import Progress, frame, prompt_from_wire, read_frame, result_to_wire
from rewards.sandbox.base import SandboxError
from rewards.user_functions.foreign import attempt, describe
from rewards.user_functions.returned import ask
from rollout.types import Failure, Prompt, Reward, RewardResult

PR_SET_PDEATHSIG = 1
OUT_OF_MEMORY = 137
SEND_EVERY_S = 0.02


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies: a verifier that hangs would not notice the
    closed socket."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the line above
        os._exit(0)


def limit_resources(memory_mib: int | None) -> None:
    """Bound the address space, in MiB, and leave no core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_mib is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_mib << 20, memory_mib << 20))


def judge(reward: Reward, prompt: Prompt, text: str, *, truncated: bool) -> list[Any]:
    """One verdict, on the wire; a text on which the reward raises is not judged, and what it raised is the
    reason."""
    wire, error = attempt(partial(_judge, reward, prompt, text, truncated=truncated))
    if error is None:
        return list(wire)
    if isinstance(error, MemoryError):
        # The interpreter may be short of memory everywhere now; a fresh process is safer, and the pool
        # charges this text alone.
        os._exit(OUT_OF_MEMORY)
    logging.getLogger(__name__).debug("the reward raised on prompt %s", prompt.id, exc_info=error)
    failure = Failure.SANDBOX if isinstance(error, SandboxError) else Failure.ERROR
    return result_to_wire(RewardResult.unjudged(f"error: {describe(error)}", failure))


def _judge(reward: Reward, prompt: Prompt, text: str, *, truncated: bool) -> list[Any]:
    return result_to_wire(ask(reward, prompt, text, truncated=truncated))


def serve(stream: IO[bytes], progress: Progress) -> None:
    """Build the reward that the first message names, then judge groups until the pool hangs up."""
    setup = read_frame(stream)
    limit_resources(setup["memory_mib"])
    reward, error = attempt(build_reward, setup["name"], setup["args"])
    if error:  # the pool raises it where the user sees it
        stream.write(frame({"failed": f"{error}" if isinstance(error, ValueError) else describe(error)}))
        stream.flush()
        return
    about = {"pure": bool(getattr(reward, "pure", True)), "on_timeout": timeout_means(setup["name"], reward)}
    stream.write(frame({"ready": True, **about}))
    stream.flush()
    while (job := read_frame(stream)) is not None:
        prompt = prompt_from_wire(job["prompt"])
        verdicts: list[Any] = []
        sent = time.monotonic()
        last = len(job["texts"]) - 1
        for index, (text, truncated) in enumerate(zip(job["texts"], job["truncated"], strict=True)):
            progress.mark(index)
            verdicts.append(judge(reward, prompt, text, truncated=truncated))
            if index == last or time.monotonic() - sent > SEND_EVERY_S:
                progress.mark(Progress.WRITING)
                stream.write(frame(verdicts))
                stream.flush()
                verdicts, sent = [], time.monotonic()


def run_verifier(socket_fd: int, progress_fd: int) -> None:
    """Serve on a socket and a progress file that the pool has made, until it hangs up."""
    for fd in (socket_fd, progress_fd):
        os.set_inheritable(fd, False)  # whatever a reward starts must not hold the pool's socket open
    with socket.socket(fileno=socket_fd) as connection, connection.makefile("rwb") as stream:
        serve(cast(IO[bytes], stream), Progress(progress_fd))
