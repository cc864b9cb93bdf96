"""Several rewards, weighted, scheduled over the run and gated by one another."""
