"""Curriculum parts that skip prompts, judge groups or drop rollouts."""
