"""``t2rl samples``: the texts of a run, chosen, shown, and written as rows for the next stage."""
