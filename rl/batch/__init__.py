"""Finished groups become the training batch of a step."""
