"""How prompts are drawn once parts have weighed them; the uniform baseline."""
