"""Reading a learner's shards as data: a pickle with more than tensors and the few classes named here is
refused before any of it runs, so a checkpoint may come from a stranger."""

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

FORCED = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
"""With it ``torch.load`` reads data alone, whatever its caller says."""


@contextmanager
def data_only() -> Iterator[None]:
    """While this lasts, ``torch.load`` reads tensors and what DeepSpeed's and our own shards hold beside
    them, also where DeepSpeed calls it.

    Raises:
        ValueError: a file holds more than that.
    """
    before = os.environ.get(FORCED)
    os.environ[FORCED] = "1"
    try:
        with torch.serialization.safe_globals(_classes()):
            yield
    except pickle.UnpicklingError as error:
        lines = str(error).splitlines()
        found = next((line for line in lines if "GLOBAL" in line), lines[0]).strip(" .")
        raise ValueError(
            f"checkpoint: a learner shard holds more than data, and is not read ({found}). T2RL wrote no such"
            " file; resume from another checkpoint"
        ) from error
    finally:
        if before is None:
            del os.environ[FORCED]
        else:
            os.environ[FORCED] = before


def read_shard(path: Path, *, map_location: Any = None) -> Any:
    """The content of one file.

    Raises:
        ValueError: it holds more than data.
    """
    with data_only():
        return torch.load(path, map_location=map_location, weights_only=True)


def _classes() -> list[Any]:
    """The classes of DeepSpeed's optimizer states, and of numpy's random state."""
    from deepspeed.runtime.fp16.loss_scaler import LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    return [
        LossScaler,
        ZeroStageEnum,
        fragment_address,
        np.zeros(0).__reduce__()[0],
        np.ndarray,
        np.dtype,
        type(np.dtype(np.uint32)),
    ]
