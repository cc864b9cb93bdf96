"""T2RL's engine room: prompts stream to rollout workers, finished groups stream to learners, weights stream
back.

See ``rl/run/controller.py`` for the data flow and its four loops.
"""

from t2rl.own_code import own_code_first

own_code_first()
