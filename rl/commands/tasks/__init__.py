"""``t2rl tasks``: the contract of a task."""
