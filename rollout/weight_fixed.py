"""Inside the vLLM workers of an engine whose weights stay as they were loaded.

In place of ``rollout.weight_receiver``, which keeps CPU weights unpacked so that they can be overwritten:
here oneDNN packs them at load time, and quantised weights, which no push could overwrite, are served.
"""

from typing import Any

from rollout.parent_process import end_with_parent


class FixedWeights:
    """Mixed into the vLLM worker: refuses every push."""

    def verify_weight_update(self, update_info: dict[str, Any]) -> str:
        """See ``rollout.weight_receiver.WeightReceiver``."""
        return "the engine was started with fixed_weights, which are packed; start it without"


end_with_parent()
