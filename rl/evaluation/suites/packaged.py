"""Suites that need no file from outside: plain text, and instructions that a program can check."""

from pathlib import Path

DATA = Path(__file__).with_name("data")
TEXT = DATA / "facts.txt"
"""Plain English about everyday things, written for this project; an empty line between passages."""
INSTRUCTIONS = DATA / "instructions.jsonl"
"""60 requests with one constraint each, in IFEval's form, written for this project."""
_FILES = {"instructions": INSTRUCTIONS}


def packaged_file(suite: str) -> Path | None:
    """The file of a suite that is in the package; None where the user has to bring it."""
    return _FILES.get(suite)
