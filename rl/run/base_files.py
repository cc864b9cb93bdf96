"""A base without its weights: the files that an export of a run must bring along, kept with the run from its
start.

An export never reads them from ``model.path`` again: what lies there may be another model by then.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rl.records.rundir import RunDir

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".msgpack", ".h5", ".onnx")


def keep_base_files(model: Path, kept: Path) -> None:
    """Copy config, tokenizer and code of ``model`` to ``kept``; what is there already is replaced, by a
    rename."""
    with replaced(kept) as staging:
        staging.mkdir(parents=True)
        for file in model.iterdir():
            if (
                file.is_file()
                and file.suffix not in WEIGHT_SUFFIXES
                and not file.name.endswith(".index.json")
            ):
                shutil.copyfile(file, staging / file.name)


@contextmanager
def replaced(directory: Path) -> Iterator[Path]:
    """A name beside ``directory`` for the block to write to; at its end it takes that place, whole or not at
    all."""
    staging = directory.with_name(directory.name + ".writing")
    shutil.rmtree(staging, ignore_errors=True)
    yield staging
    shutil.rmtree(directory, ignore_errors=True)
    staging.rename(directory)


def keep_identity(run: RunDir, checkpoint: Path) -> None:
    """Put into a checkpoint what the run is at this moment: its config, its fingerprint and the base's files.

    Each checkpoint has its own copy, a few MB: with a hard link, one damaged file would damage them all.
    """
    for file in (run.config, run.fingerprint):
        if file.is_file():
            shutil.copyfile(file, checkpoint / file.name)
    if run.base.is_dir():
        shutil.copytree(run.base, checkpoint / "base")
