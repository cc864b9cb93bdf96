"""Secrets in a config: values of ``cluster.env`` that look like one are never written down, and elsewhere one
is refused, because the config goes to the run directory, its checkpoints, trackers and reports."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_ENDING = (
    r"secret|passw(?:or)?d|passphrase|credentials?|api_?key|access_?key|private_?key"
    r"|(?:auth|access|api|bearer|hf|refresh)_?token"
)
_VARIABLE = re.compile(rf"(?:^|_)(?:{_ENDING}|token|key)$", re.IGNORECASE)
"""A whole last word, so that ``TOKENIZERS_PARALLELISM`` passes."""
_FIELD = re.compile(rf"(?:^|_)(?:{_ENDING})$", re.IGNORECASE)
"""Fields named ``token`` and ``key`` are about text and columns."""
_IN_ADDRESS = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
"""A password in an address."""


def is_secret_variable(name: str) -> bool:
    """True if an environment variable of this name is likely to hold a secret: ``HF_TOKEN``,
    ``WANDB_API_KEY``."""
    return _VARIABLE.search(name) is not None


def without_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """Environment variables as they may be written: a secret's value becomes a reference to the variable of
    that name, which whoever loads the config resolves in an environment of their own (empty without one)."""
    return {
        name: f"${{oc.env:{name},''}}" if value and is_secret_variable(name) else value
        for name, value in env.items()
    }


def secret_problems(tree: Mapping[str, Any]) -> Iterator[str]:
    """A message for each value that looks like a secret, ``cluster.env`` apart, of a config as plain data."""
    for path, value in _texts(tree, ""):
        name = path.rpartition(".")[2]
        if path.startswith("cluster.env."):
            continue
        if _FIELD.search(name) and value:
            yield (
                f"{path}: looks like a secret, which config.yaml, checkpoints and trackers would show; let"
                " your code read it from an environment variable, and leave the field out"
            )
        elif _IN_ADDRESS.search(value):
            yield (
                f"{path}: holds a password in an address, which config.yaml, checkpoints and trackers would"
                " show; give it by environment variable or file, and leave it out here"
            )


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{number}]")
