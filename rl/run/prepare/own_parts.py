"""Parts of objective, learner and trackers that are the user's own code, loaded before any actor starts."""

from rl.config.choice import OWN_CODE, Choice, OwnCode
from rl.config.schema import Config
from rollout.user_code import resolve_function


def check_own_parts(config: Config) -> None:
    """Load every part that a config names by ``pkg.module:attr``; reads nothing where it names none.

    Raises:
        ValueError: There is no such code, or it is of another kind; names the field.
    """
    algorithm, learner = config.algorithm, config.learner
    for name in config.tracker.use:
        if OWN_CODE.fullmatch(name):
            resolve_function("tracker", name, {})
    parts: tuple[Choice, ...] = (
        algorithm.advantage,
        algorithm.mask,
        algorithm.likelihood,
        learner.optimizer,
        learner.schedule,
    )
    shapings = [part.name for part in algorithm.shaping if OWN_CODE.fullmatch(part.name)]
    if not shapings and not any(isinstance(part, OwnCode) for part in parts):
        return  # the registries import torch
    from rl.learner.optimizers import resolve_optimizer
    from rl.learner.schedules import resolve_schedule
    from rl.objective.advantages import resolve_advantage
    from rl.objective.likelihood import resolve_likelihood
    from rl.objective.masks import resolve_mask
    from rl.objective.shaping import resolve_shaping

    resolve_advantage(algorithm.advantage.name)
    resolve_mask(algorithm.mask.name)
    resolve_likelihood(algorithm.likelihood.name)
    resolve_optimizer(learner.optimizer.name)
    resolve_schedule(learner.schedule.name)
    for name in shapings:
        resolve_shaping(name)
