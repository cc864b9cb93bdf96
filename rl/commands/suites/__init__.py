"""``t2rl eval MODEL... --suite``: models on named suites."""
