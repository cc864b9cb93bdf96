"""What is believed of success probabilities: posteriors, priors, and a probe for unseen prompts."""
