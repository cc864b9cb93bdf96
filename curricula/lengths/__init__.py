"""Curriculum parts that limit lengths or reward them."""
