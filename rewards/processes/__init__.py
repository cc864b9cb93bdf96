"""Verifiers in killable processes: the pool, the processes and what they say to each other."""
