"""Beliefs about success probabilities: posteriors, priors, and a probe for unseen prompts."""
