"""``RUN/logs/controller.log``: what the process of a run says, kept with the run."""

import logging
import sys
import time
from pathlib import Path

TOLD = logging.getLogger("rl.shown")
"""Gets what the terminal was told already (phases, notes of the display), so that the file has it too."""
TOLD.setLevel(logging.INFO)
OURS = ("rl", "rollout", "rewards", "curricula", "planner")
"""Packages whose errors are the run's."""
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
CONTROLLER = "controller.log"


class RunLog(logging.FileHandler):
    """Context manager: inside it, log records go to the file too, and the last error of our packages is
    kept."""

    def __init__(self, logs: Path) -> None:
        """Append to ``logs/controller.log``."""
        super().__init__(logs / CONTROLLER, encoding="utf-8", delay=True)
        self.setFormatter(logging.Formatter(FORMAT))
        self.last_error: str | None = None
        self.last_error_at: float | None = None
        self._refused = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if record.levelno >= logging.ERROR and record.name.partition(".")[0] in OURS:
            self.fail(record.getMessage())
        super().emit(record)

    def fail(self, text: str) -> None:
        """Keep ``text`` as the last error."""
        self.last_error, self.last_error_at = text.strip(), time.time()

    def handleError(self, record: logging.LogRecord) -> None:
        """A disk that refuses is said once, in a line: it is the records' to end the run for it, and a page
        of traces for each line would hide what they say. Anything else is a mistake in our words, and
        shown."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._refused:
            self._refused = True
            sys.stderr.write(f"{self.baseFilename} cannot be written: {error}\n")

    def __enter__(self) -> "RunLog":
        """Begin to listen."""
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop listening, and close the file. Lines that it could not take are lost, which takes no error's
        place."""
        logging.getLogger().removeHandler(self)
        try:
            self.close()
        except OSError:
            if not self._refused:
                raise
