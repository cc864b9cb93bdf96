"""Curricula, measured; see ``curricula_layers.py``, which this starts.

    python benchmarks/curricula.py [--layers simulation cost] [--seeds 0 1 2 3 4] [--quick] [--json FILE]

Scripts of this folder have it first on their path, so ``import curricula`` in any of them finds this file,
while they mean the package of that name: imported, it hands over to the package.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

if __name__ == "__main__":
    from curricula_layers import main

    main()
else:
    elsewhere = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
    spec = PathFinder.find_spec("curricula", elsewhere)
    assert spec is not None and spec.loader is not None, "the package curricula is not installed (make setup)"
    sys.modules["curricula"] = package = module_from_spec(spec)
    spec.loader.exec_module(package)
