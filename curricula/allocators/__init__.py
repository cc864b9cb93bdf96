"""Curriculum parts that say how many rollouts each prompt gets."""
