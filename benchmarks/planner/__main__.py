"""``python -m benchmarks.planner``; what it does is in ``main.py``."""

from benchmarks.planner.main import main

if __name__ == "__main__":
    main()
