"""A verifier's error rates in a file, as ``t2rl rewards check --write-spec`` writes it."""

import json
from pathlib import Path

from planner.verifiers.verifier import VerifierSpec


def read_verifier(path: Path) -> VerifierSpec:
    """The ``fpr`` and ``tpr`` of a JSON object; its other fields (intervals, counts, the reward) are for
    readers.

    Raises:
        ValueError: No such file, not such an object, or rates that no plan can use; names file and field.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: no such file; t2rl rewards check --labelled ROWS --write-spec {path} writes one"
        )
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise ValueError(f"{path}: an object {{fpr, tpr}} is needed, not {type(fields).__name__}")
    for name in ("fpr", "tpr"):
        value = fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{path}: {name}: a share from 0 to 1 is needed, not {value!r}")
    try:
        return VerifierSpec(fpr=float(fields["fpr"]), tpr=float(fields["tpr"]))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
