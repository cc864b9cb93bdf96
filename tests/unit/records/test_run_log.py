"""The controller's log on a disk that refuses writes: one line says so, and it takes no error's place."""

import errno
import logging

import pytest

from rl.records.run_log import RunLog
from rl.records.storage import StorageError


class Refusing:
    """A stream of a file whose disk has failed."""

    def write(self, text):
        return len(text)

    def flush(self):
        raise OSError(errno.EROFS, "Read-only file system")

    def close(self):
        self.flush()


def test_a_disk_that_refuses_is_said_once_and_the_error_that_ends_the_run_stays(tmp_path, capsys):
    log = RunLog(tmp_path)
    with pytest.raises(StorageError, match="the records' own words"), log:
        log.stream = Refusing()  # type: ignore[assignment]
        for _ in range(3):
            logging.getLogger("rl.test").error("a line")
        raise StorageError("the records' own words")
    said = capsys.readouterr().err
    assert said.count("cannot be written") == 1 and "Traceback" not in said
    assert log.last_error == "a line"


def test_a_mistake_in_our_own_words_is_shown(tmp_path, capsys):
    with RunLog(tmp_path) as log:
        log.handle(logging.LogRecord("rl.test", logging.WARNING, __file__, 1, "%d", ("no number",), None))
    assert "Traceback" in capsys.readouterr().err
