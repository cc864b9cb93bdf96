"""The work behind ``t2rl rewards``."""
