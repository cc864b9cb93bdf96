"""Time of a decode step as the larger of compute and memory traffic.

See docs/methods/cost.md#bytes-and-seconds.
"""

import math
from dataclasses import dataclass

from planner.cost.devices import Device
from planner.cost.flops import ModelShape
from planner.cost.serving import ServingCost


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(ServingCost):
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

    def prefill_s(self, prompt: float) -> float:
        """Seconds before the first token of one query."""
        compute = self.shape.prefill(prompt) / (self.device.peak * self.device.compute_share)
        memory = self.weight_bytes / (self.device.bandwidth * self.device.bandwidth_share)
        return max(compute, memory) + self.device.launch_s

    def prefill_work_s(self, prompt: float) -> float:
        """Seconds of compute of one prompt in a full batch."""
        return self.shape.prefill(prompt) / (self.device.peak * self.device.compute_share)

    @property
    def usd_per_hour(self) -> float:
        """The device's price."""
        return self.device.usd_per_hour


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
