"""Our packages stay ours: they come before a user's own files of the same names.

``rl``, ``rewards`` or ``configs`` are natural names for a user's own files, and PYTHONPATH, ``python -m`` and
Ray put the working directory in front. Folders that hold such a name go behind our own code; what else is in
them is still found.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("rl", "rollout", "rewards", "curricula", "planner", "configs")


def hides_our_code(folder: str | Path) -> bool:
    """True if a package of ours would be looked for there, and another one found."""
    here = Path(folder).resolve()
    return here != ROOT and any(
        (here / name).is_dir() or (here / f"{name}.py").is_file() for name in PACKAGES
    )


def own_code_first() -> None:
    """Move such folders to the end of the path, and out of what child processes get as PYTHONPATH."""
    ours = next((i for i, entry in enumerate(sys.path) if Path(entry).resolve() == ROOT), 0)
    hiding = [entry for entry in sys.path[:ours] if hides_our_code(entry)]
    if not hiding:
        return
    sys.path[:] = [entry for entry in sys.path if entry not in hiding] + hiding
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    left = [str(Path(entry).resolve()) for entry in given if entry and not hides_our_code(entry)]
    os.environ["PYTHONPATH"] = os.pathsep.join(left)
