"""Curriculum parts that choose prompts, and the estimates that they choose by."""
