"""What ``t2rl rewards`` does."""
