"""The planner's benchmark: ``python benchmarks/planner.py --help``. What it does is in ``planner_main.py``.

Beside the other benchmarks this file is found as ``planner`` before the package of that name, so when it is
imported it gives way.
"""

import importlib
import sys
from pathlib import Path


def give_way() -> None:
    """Put the package ``planner`` into ``sys.modules`` in this file's place."""
    here, paths = Path(__file__).parent.resolve(), list(sys.path)
    sys.path[:] = [path for path in paths if Path(path or ".").resolve() != here]
    del sys.modules["planner"]
    try:
        importlib.import_module("planner")
    finally:
        sys.path[:] = paths


if __name__ == "__main__":
    from planner_main import main

    main()
elif __name__ == "planner":
    give_way()
