"""``t2rl report``: runs as one self-contained page of figures."""
