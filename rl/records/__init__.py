"""The traces that a run leaves behind: its directory, metric rows, tracker, trace, and the live display."""
