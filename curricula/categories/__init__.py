"""Curriculum parts that choose categories."""
