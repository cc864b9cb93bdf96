"""Test-time planning: what samples are worth, and how sure a figure is. Pure functions on counts; no model,
no engine."""
