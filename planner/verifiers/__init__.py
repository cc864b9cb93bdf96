"""Error rates of verifiers, and what their verdicts say."""
