"""``python -m benchmarks.curricula``; what it does is in ``layers.py``."""

from benchmarks.curricula.layers import main

if __name__ == "__main__":
    main()
