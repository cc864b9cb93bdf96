"""One run: its driver, its attempts, its controller, and what it must not lose."""
