"""A worker process that ends with the process that started it."""

import ctypes
import multiprocessing
import os
import signal

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends, also if it hangs by then.

    vLLM's engine core does not watch its parent: after the SIGKILL of an actor it would keep its GPU, and the
    replacement would find no memory. A process that nobody started through multiprocessing is the actor
    itself and is left alone.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # it ended before the kernel knew
        os._exit(1)
