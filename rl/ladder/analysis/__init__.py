"""The T² report: which base of a ladder is the cheapest to serve."""
