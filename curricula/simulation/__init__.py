"""A simulated learner under the shipped curricula: what a preset would choose, without a model, Ray or torch.

What comes out is always *simulation*: rollouts are Bernoulli draws at pass rates that were put in, never
results of a model.
"""
