"""Evaluations of a run: the held-out set and suites, with training waiting or going on."""
