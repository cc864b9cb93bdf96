"""Runs as objects: list them, ask what they are at, stop them, read their logs, compare them, plan one."""
