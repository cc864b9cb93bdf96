"""The objective: one policy-gradient estimator with four interchangeable parts, as pure functions on flat
tensors.

Named algorithms are presets of these parts (``configs/algorithm``).
"""
