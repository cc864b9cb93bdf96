"""The weights of vLLM's ``LLMEngine`` in this process: loaded between two steps, and taken off the device
while somebody else has it. Called on the engine thread only."""

from typing import Any

from rollout.engine import EngineConfig, WeightUpdate, WeightUpdateRefused
from rollout.vllm_args import load_calls, update_payload


class InProcessWeights:
    """Takes the engine's pushes, and its sleeps."""

    def __init__(self, llm: Any, config: EngineConfig) -> None:
        """``llm``: vLLM's engine, loaded."""
        self._llm = llm
        self._config = config
        self.asleep = 0
        """Level of the sleep; 0 = awake."""

    def load(self, update: WeightUpdate) -> None:
        """Verify, load, label, clear the caches. WeightUpdateRefused if a check failed and nothing was
        loaded; any other error leaves weights that must not serve."""
        payload = {"update_info": update_payload(update)}
        problems = {p for p in self._llm.collective_rpc("verify_weight_update", kwargs=payload) if p}
        if problems:
            raise WeightUpdateRefused(f"version {update.version}: {'; '.join(sorted(problems))}")
        try:
            for method, arguments in load_calls(update):
                self._llm.collective_rpc(method, kwargs=arguments)
        # would pass for a caller's mistake, but the weights are half loaded by now
        except ValueError as error:
            raise RuntimeError(f"loading version {update.version} failed: {error}") from error
        self._llm.set_weight_version(str(update.version))
        if self._config.kv_after_update == "clear" and not self._llm.reset_prefix_cache(
            reset_running_requests=True
        ):
            raise RuntimeError(
                f"the KV cache of the weights before version {update.version} could not be cleared"
            )

    def sleep(self, level: int) -> None:
        """As ``InferenceEngine.sleep``."""
        if self.asleep:
            return
        # "keep": sequences in flight are preempted, and go on when the engine wakes up.
        self._llm.sleep(level=level, mode="keep")
        if level == 2 and self._config.device == "cpu":
            self._llm.collective_rpc("spoil_weights")
        self.asleep = level

    def wake(self, update: WeightUpdate | None) -> None:
        """As ``InferenceEngine.wake``; RuntimeError, of which the engine dies, where the weights are not
        whole afterwards."""
        if update is None:
            assert self.asleep != 2, "an engine that slept at level 2 wakes up with new weights only"
            self._llm.wake_up()
        else:
            assert self.asleep, "an engine that is awake is pushed to"
            # The scheduler stays paused until everything is back: nobody samples with what lies there.
            self._llm.wake_up(["weights"])
            try:
                self.load(update)
            except (ValueError, WeightUpdateRefused) as error:
                raise RuntimeError(f"waking up with version {update.version} failed: {error}") from error
            self._llm.wake_up(["kv_cache"])
        self.asleep = 0
