"""Exit codes: 0 done, 1 failed, 2 the user's input, 130 interrupted."""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from rl.cluster.errors import PlacementError, RayLost
from rl.config.exit_codes import FAILED, INTERRUPTED, USER_INPUT
from rl.engines.errors import FleetDead
from rl.records.storage import StorageError, storage_reason

DEBUG = "T2RL_TRACEBACK"
"""Environment variable that ``t2rl --debug`` sets: errors keep their traceback."""


def leave_now(code: int) -> NoReturn:
    """End the process without the interpreter's own clearing up, which takes seconds where torch and Ray are
    loaded: who pressed Ctrl-C waits for it. Everything of ours is closed by now."""
    for child in multiprocessing.active_children():
        child.kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def exit_codes() -> Iterator[None]:
    """Every command runs inside this.

    ``ValueError`` (``ConfigError`` included) is the user's input: shown as a short message, with a traceback
    only with ``--debug``. So are a disk that cannot be written, a cluster that cannot hold the run, engines
    that cannot be kept alive and a Ray that has gone, with exit code 1. Anything else that is raised is our
    failure, and keeps its traceback.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        typer.echo(f"interrupted: {error}" if str(error) else "interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from error
    except ValueError as error:
        if os.environ.get(DEBUG):
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(USER_INPUT) from error
    except (FleetDead, PlacementError, RayLost) as error:
        if os.environ.get(DEBUG):
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(FAILED) from error
    except (StorageError, OSError) as error:
        reason = str(error) if isinstance(error, StorageError) else storage_reason(error, Path("/"))
        if reason is None or os.environ.get(DEBUG):
            raise
        typer.echo(f"error: {reason}", err=True)
        raise typer.Exit(FAILED) from error
