"""Python's garbage collector, out of the way of a start."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """No garbage collection inside the block, which imports or loads.

    It makes objects by the million, nearly all of which stay, and every full collection walks over all of
    them: a fifth of the time that the imports of vLLM, DeepSpeed or the driver take.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
