"""Sampling side: the shared types, the vLLM engines, the rollout worker and the weight receiver."""
