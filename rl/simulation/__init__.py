"""The training system in simulated time, before anybody pays for the real one. Every figure of it is
simulated."""
