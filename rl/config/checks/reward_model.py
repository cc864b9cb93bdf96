"""A reward model beside the rest of the run."""

from collections.abc import Iterator

from rl.config.tree import ConfigTree


def reward_model_problems(config: ConfigTree) -> Iterator[str]:
    """Times that do not nest, a GPU model without a GPU, and objectives that read no scores."""
    model = config.reward_model
    if model is None:
        return
    if 2 * model.timeout_s >= config.stream.group_timeout_s:
        yield (
            f"reward_model.timeout_s: {model.timeout_s:g} s to wait and as much to score do not fit into"
            f" stream.group_timeout_s={config.stream.group_timeout_s:g}; lower the first or raise the second"
        )
    if (model.device == "cuda") != (model.gpus > 0):
        yield (
            f"reward_model.gpus: {model.gpus:g} with reward_model.device={model.device}; cuda needs a share,"
            " cpu none"
        )
    if config.algorithm.advantage.name == "brpo":
        yield (
            "reward_model: algorithm.advantage=brpo reads raw correctness at thinking budgets only; leave the"
            " model out"
        )
