"""Figures on plans, groups and prompts that parts and runs read."""
