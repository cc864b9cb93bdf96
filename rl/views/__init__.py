"""Run directories as people look at them: state, rows, samples, advice. Reads files only."""
