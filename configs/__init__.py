"""Hydra config groups and whole runs, packaged so that an installed `t2rl` finds them."""
