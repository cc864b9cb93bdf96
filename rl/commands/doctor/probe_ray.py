"""Ray starts, an actor answers, Ray stops."""

import json
import sys
from pathlib import Path


def main(scratch: Path) -> str:
    """Start Ray and return what was found."""
    import ray

    from rl.cluster.ray_runtime import start_ray, stop_ray
    from rl.config.load import load_config

    start_ray(load_config("debug"), scratch / "logs")
    try:
        answer = ray.get(ray.remote(lambda: 6 * 7).remote(), timeout=60)
    finally:
        stop_ray()
    if answer != 42:
        raise RuntimeError(f"a task returned {answer!r} instead of 42")
    return f"Ray {ray.__version__} starts and answers"


if __name__ == "__main__":
    print(json.dumps({"found": main(Path(sys.argv[1]))}))
