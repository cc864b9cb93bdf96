"""``t2rl trackers``."""
