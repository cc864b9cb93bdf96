"""``t2rl objective``: the contracts of the parts of a loss and of a learner."""
