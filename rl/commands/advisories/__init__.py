"""``t2rl advisories``: the contract of an advisory."""
