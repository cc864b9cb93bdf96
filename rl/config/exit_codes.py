"""Exit codes of every command: 0 done, 1 failed, 2 the user's input, 130 interrupted."""

FAILED, USER_INPUT, INTERRUPTED = 1, 2, 130
