"""One choice of model, weight format, temperature, token limit, samples and strategy, from samples."""
