"""Rewards as actors: verifier pools, reward models, and what a verdict is worth at its step."""
