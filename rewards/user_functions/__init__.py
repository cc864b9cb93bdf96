"""Reward functions of users: how they are called, and what they may return."""
