"""``t2rl bench``: a load test of the real engine, and a cost model fitted to it."""
