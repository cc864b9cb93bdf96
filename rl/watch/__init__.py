"""``t2rl watch``: the same figures live, over a loopback port or in the terminal."""
