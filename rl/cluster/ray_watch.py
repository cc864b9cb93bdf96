"""Whether the Ray under this process still works.

Ray tells its driver little of its own death. A raylet that stands still holds up whatever call needs its
object store, in C++, where no limit of ours reaches; and a minute after the GCS has gone Ray ends the program
in the middle of a step. A thread looks for both: the first ends this process at once, as nothing else can,
and of the second the run hears in time to finish its step and save it. Closing a Ray without a GCS may take
up to that minute too, so the thread sees to it that the process ends before.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from rl.config.exit_codes import FAILED

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
ASK_EVERY = 5
"""Looks between two questions to the GCS."""
FINISH_S = 40.0
"""How long a run may take to finish its step and save it, when its GCS has ended."""
CLOSE_S = 10.0
"""How long it may then take to close what it has. Together they are less than Ray's minute."""
Act = Callable[[str], None]


class RayWatch:
    """Looks at the Ray of this process until it is stopped."""

    def __init__(
        self,
        gcs: psutil.Process | None,
        *,
        node_is_alive: Callable[[], bool],
        leave: Act,
        every_s: float = LOOK_EVERY_S,
        finish_s: float = FINISH_S,
        close_s: float = CLOSE_S,
    ) -> None:
        """``gcs``: where it is a process of ours. ``node_is_alive``: whether the GCS takes this node for
        alive; it may hang. ``leave`` is told why, and does not return: ``close_s`` after ``closing``, if that
        comes within ``finish_s`` of the end of the GCS, and ``stop`` has not been called by then."""
        self._gcs = gcs
        self._node_is_alive = node_is_alive
        self._leave = leave
        self._every_s = every_s
        self._finish_s, self._close_s = finish_s, close_s
        self._lock = threading.Lock()
        self._act: Act | None = None
        self._stopped, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._look, name="ray-watch", daemon=True)
        self.lost = ""
        """Why Ray is going; '' while it works."""

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def closing(self) -> None:
        """Hear that all that had to be saved is. Idempotent."""
        self._closing.set()

    def stop(self) -> None:
        """Look no more: Ray is about to be stopped, or it was, if it is lost. Idempotent."""
        self._stopped.set()
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(2 * self._every_s)

    @contextmanager
    def telling(self, act: Act) -> Iterator[None]:
        """Inside the block ``act`` is called, from any thread, once Ray is lost; at once if it is by now."""
        with self._lock:
            self._act = act
            if self.lost:
                act(self.lost)
        try:
            yield
        finally:
            with self._lock:
                self._act = None

    def _look(self) -> None:
        looks = 0
        while not self._stopped.wait(self._every_s):
            if self._gcs is not None and _ended(self._gcs):
                self._lose(f"Ray's GCS (pid {self._gcs.pid}) has ended")
                self._closing.wait(self._finish_s)
                if not self._stopped.wait(self._close_s):
                    self._leave(f"{self.lost}, and closing what it leaves takes too long")
                return
            looks += 1
            if looks % ASK_EVERY == 0 and not self._node_is_alive():
                self._leave("Ray has given up this machine's raylet, which has not answered for a while")
                return

    def _lose(self, reason: str) -> None:
        with self._lock:
            self.lost = reason
            if self._act is not None:
                self._act(reason)


def _ended(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


# -- the one of this process ---------------------------------------------------------------------------------

_WATCH: RayWatch | None = None


def watch_ray() -> None:
    """Begin to look at the Ray that this process is connected to."""
    global _WATCH
    gcs = [child for child in psutil.Process().children() if child.name() == "gcs_server"]
    _WATCH = RayWatch(gcs[0] if gcs else None, node_is_alive=_node_is_alive, leave=_leave)
    _WATCH.start()


def closing() -> None:
    """The run has saved what it had: if Ray is lost, this process ends within ``CLOSE_S``, whatever Ray waits
    for."""
    if _WATCH is not None:
        _WATCH.closing()


def end_watch() -> None:
    """Look no more; ``ray_lost`` goes on to say what was seen. Idempotent."""
    if _WATCH is not None:
        _WATCH.stop()


def ray_lost() -> str:
    """Why the newest Ray of this process was lost; '' if it was not."""
    return "" if _WATCH is None else _WATCH.lost


@contextmanager
def when_ray_is_lost(act: Act) -> Iterator[None]:
    """As ``RayWatch.telling``; nothing where nobody looks."""
    if _WATCH is None:
        yield
        return
    with _WATCH.telling(act):
        yield


def _node_is_alive() -> bool:
    import ray

    own = ray.get_runtime_context().get_node_id()
    return any(node["NodeID"] == own and node["Alive"] for node in ray.nodes())


def _leave(reason: str) -> None:
    """End this process, and with it, by the kernel, a Ray of its own. A main thread that hangs in Ray would
    hear no exception."""
    logger.error(
        "%s; this program ends at once (resume=auto takes a run up from its newest checkpoint)", reason
    )
    logging.shutdown()
    os._exit(FAILED)
