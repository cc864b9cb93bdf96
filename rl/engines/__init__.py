"""The fleet of rollout engines, and one group of rollouts on its way through it."""
