"""The run configuration: Hydra composes it, pydantic freezes and checks it. Imports no torch, Ray or vLLM."""
