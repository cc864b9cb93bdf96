"""The contracts of learning-rate schedules and optimizers, as checks that run on outside code too: ``t2rl
objective check``."""
