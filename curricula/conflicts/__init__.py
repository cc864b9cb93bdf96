"""Which curriculum parts cannot, or should not, go together."""
