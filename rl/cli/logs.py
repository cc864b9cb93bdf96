"""Where log lines go: to whatever stderr is when they are written, so that a live display can hold it
meanwhile."""

import logging
import sys
from typing import TextIO

from rl.records.run_log import OURS, TOLD


class LateStderr(logging.StreamHandler[TextIO]):
    """A stream handler that looks up ``sys.stderr`` for every record; one that remembers it would write
    through a live display."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The stderr of this moment."""
        return sys.stderr


def log_to_stderr(*, verbose: bool) -> None:
    """Warnings of everything; with ``verbose`` also what our own packages say, which ``RUN/logs`` gets
    anyway."""
    handler = LateStderr()
    handler.setLevel(logging.INFO if verbose else logging.WARNING)
    handler.addFilter(lambda record: record.name != TOLD.name)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for package in OURS:
        logging.getLogger(package).setLevel(logging.INFO)
