"""T2RL's engine room: prompts stream to rollout workers, finished groups stream to learners, weights stream back.

See ``rl/controller.py`` for the data flow and its four loops.
"""
