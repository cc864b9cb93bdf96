"""The work behind ``t2rl plan serve``."""
