"""From what a config names to a directory: as it is, or the snapshot of a name on the Hugging Face hub."""

import re
from pathlib import Path

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
LEFT_OUT = ["*.bin", "*.pt", "*.pth", "*.gguf", "*.onnx", "*.h5", "*.msgpack", "consolidated*", "original/*"]
"""Second copies of the weights in other formats."""


def model_directory(path: str, *, revision: str | None = None, field: str = "model.path") -> Path:
    """The directory of a model.

    A directory of this name comes first. Else it is a name on the hub: the snapshot of ``revision`` (a
    branch, tag or commit), from the cache (``HF_HUB_CACHE``) or downloaded into it; with ``HF_HUB_OFFLINE=1``
    from the cache alone.

    Raises:
        ValueError: neither is there; names ``field`` and the fix.
    """
    directory = Path(path).expanduser().absolute()
    section = field.rpartition(".")[0]
    if directory.exists() or not HUB_NAME.fullmatch(path):
        if not (directory / "config.json").is_file():
            raise ValueError(
                f"{field}: {directory} holds no config.json; give a Hugging Face model directory, or a name"
                " on its hub"
            )
        if revision is not None:
            raise ValueError(
                f"{section}.revision: {revision} is of a name on the hub, and {path} is a directory; leave"
                " it out"
            )
        return directory
    snapshot = _snapshot(path, revision, field=field)
    if not (snapshot / "config.json").is_file():
        raise ValueError(
            f"{field}: {path} on the hub holds no config.json; give the name of a transformers model"
        )
    return snapshot


def _snapshot(name: str, revision: str | None, *, field: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    which = name if revision is None else f"{name} at revision {revision}"
    try:
        return Path(snapshot_download(name, revision=revision, ignore_patterns=LEFT_OUT))
    except GatedRepoError as error:
        raise ValueError(
            f"{field}: {which} is gated; accept its terms on the hub, then run  hf auth login"
        ) from error
    except LocalEntryNotFoundError as error:
        raise ValueError(
            f"{field}: {name} is no directory here, and {which} is not in the Hugging Face cache, which"
            f" cannot be filled now (offline, or HF_HUB_OFFLINE=1); run  hf download {name}  where there is a"
            " network, or give a directory"
        ) from error
    except (HfHubHTTPError, HFValidationError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{field}: {name} is no directory here, and the hub has no {which} ({reason}); check the name"
        ) from error
