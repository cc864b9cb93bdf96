"""The contracts of advantages, masks, likelihoods and reward shapings, as checks that run on outside code
too: ``t2rl objective check``."""
