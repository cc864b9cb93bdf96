"""Rows of a dataset by its name on the Hugging Face hub, or of a folder in the hub's layout."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rl.tasks.row_formats import plain_value

NAME = re.compile(r"(?P<name>[^:]+)(?::(?P<config>[^:]+))?:(?P<split>[^:]+)")


def hub_rows(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, fields) of every row of ``NAME:SPLIT`` or ``NAME:CONFIG:SPLIT``, from the cache where there is
    no network.

    Args:
        name: Such as ``openai/gsm8k:main:train``; instead of a name on the hub a folder whose README or file
            names say which files a split has.

    Raises:
        ValueError: No such dataset, configuration or split, or it cannot be had now.
    """
    found = NAME.fullmatch(name)
    if found is None:
        raise ValueError(
            f"hf:{name}: name the split too, as hf:NAME:SPLIT or hf:NAME:CONFIG:SPLIT"
            " (hf:openai/gsm8k:main:train)"
        )
    for number, fields in enumerate(_dataset(**found.groupdict()), start=1):
        yield f"hf:{name} row {number}", plain_value(dict(fields))


def _dataset(name: str, config: str | None, split: str) -> Any:
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    place = Path(name).expanduser()
    try:
        return load_dataset(str(place) if place.is_dir() else name, config, split=split)
    except (DatasetsError, HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        which = name if config is None else f"{name}, configuration {config}"
        raise ValueError(
            f"hf:{name}: cannot load the split {split!r} of {which} ({reason}); check the names, or download"
            f' it where there is a network: python -c "import datasets; datasets.load_dataset({name!r},'
            f" {config!r}).save_to_disk('data')\", then give data/{split}"
        ) from error
