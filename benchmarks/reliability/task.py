"""The quickstart's problems, judged by :class:`benchmarks.reliability.parts.SandboxedReward`."""

from rl.config.task_reasoning_gym import ReasoningGymTaskConfig
from rl.tasks.base import Tokenizer
from rl.tasks.reasoning_gym import ReasoningGymTask

TRAIN_PROMPTS = 1300
"""One epoch of a run: no prompt comes twice."""


class SandboxedTask(ReasoningGymTask):
    """Five categories at four levels, as ``task=tiny``, of which a run needs few: each start makes them anew.
    ``every``: verdicts to one program in the sandbox, 0 for none."""

    name = "sandboxed"
    reward_name = "benchmarks.reliability.parts:SandboxedReward"

    def __init__(self, tokenizer: Tokenizer, *, max_prompt_tokens: int, every: int) -> None:
        config = ReasoningGymTaskConfig(train_prompts=TRAIN_PROMPTS)
        super().__init__(config, tokenizer, max_prompt_tokens=max_prompt_tokens)
        self.reward_args = {"every": every}
