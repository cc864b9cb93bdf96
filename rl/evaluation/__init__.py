"""Held-out counts, and the table that is made of them."""
