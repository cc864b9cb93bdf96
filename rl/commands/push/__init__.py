"""``t2rl push``: a run's model with a card that says how it was made, on disk or on the Hub."""
