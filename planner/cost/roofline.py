"""Time of a decode step as the larger of compute and memory traffic, and what follows: latency, throughput,
price.

See docs/methods/cost.md#bytes-and-seconds.
"""

import math
from dataclasses import dataclass

from planner.cost.devices import Device
from planner.cost.flops import ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A model on a device."""

    shape: ModelShape
    device: Device
    bits: int = 0
    """Bits of the weights when quantised weight-only: fewer bytes are read, arithmetic stays as it is. 0 =
    the device's format."""
    kv_bytes: float = 2.0

    @property
    def weight_bytes(self) -> float:
        """Read once a decode step."""
        return self.shape.weight_bytes(self.device.bytes_per_weight, bits=self.bits)

    def step_s(self, batch: float, context: float) -> float:
        """Seconds of one decode step of ``batch`` sequences, each with ``context`` tokens of keys and
        values."""
        flops = batch * self.shape.decode(context, 1)
        traffic = self.weight_bytes + batch * context * self.shape.kv_bytes_per_token(self.kv_bytes)
        compute = flops / (self.device.peak * self.device.compute_share)
        memory = traffic / (self.device.bandwidth * self.device.bandwidth_share)
        return max(compute, memory) + self.device.launch_s

    def tokens_per_s(self, batch: float, context: float) -> float:
        """Return the tokens per second of all sequences together."""
        return batch / self.step_s(batch, context)

    def usd_per_million(self, batch: float, context: float) -> float:
        """Dollars for a million generated tokens at a full batch."""
        return self.device.usd_per_hour / (3600 * self.tokens_per_s(batch, context)) * 1e6

    def prefill_s(self, prompt: float) -> float:
        """Seconds before the first token of one query."""
        compute = self.shape.prefill(prompt) / (self.device.peak * self.device.compute_share)
        memory = self.weight_bytes / (self.device.bandwidth * self.device.bandwidth_share)
        return max(compute, memory) + self.device.launch_s

    def latency_parallel_s(self, prompt: float, longest: float, k: int) -> float:
        """One query, k samples side by side: over when the longest is (``expected_longest``)."""
        return self.prefill_s(prompt) + longest * self.step_s(k, prompt + longest / 2)

    def latency_sequential_s(self, prompt: float, tokens: float) -> float:
        """One query, samples one after the other: ``tokens`` is what they take together
        (``expected_tokens``)."""
        return self.prefill_s(prompt) + tokens * self.step_s(1, prompt + tokens / 2)

    def usd_per_1000_queries(self, prompt: float, generated: float, k: float, *, batch: float) -> float:
        """At a full batch of ``batch`` sequences: prefill and k x L tokens of each query."""
        prefill = self.shape.prefill(prompt) / (self.device.peak * self.device.compute_share)
        seconds = prefill + k * generated / self.tokens_per_s(batch, prompt + generated / 2)
        return 1000 * seconds * self.device.usd_per_hour / 3600


def break_even_batch(server: Server, context: float) -> float:
    """Sequences at which compute and memory take equally long; infinite where memory always wins."""
    device = server.device
    compute = server.shape.decode(context, 1) / (device.peak * device.compute_share)
    memory = (
        context
        * server.shape.kv_bytes_per_token(server.kv_bytes)
        / (device.bandwidth * device.bandwidth_share)
    )
    weights = server.weight_bytes / (device.bandwidth * device.bandwidth_share)
    return weights / (compute - memory) if compute > memory else math.inf
