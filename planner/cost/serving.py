"""Latency, throughput and price of a model on a server, from the seconds of one step and one prompt.

Two sources of those seconds: the roofline (``planner.cost.roofline``) and a fit to a load test
(``planner.cost.measured``). See docs/methods/cost.md#bytes-and-seconds.
"""

from abc import ABC, abstractmethod


class ServingCost(ABC):
    """A model on a server."""

    __slots__ = ()

    @property
    @abstractmethod
    def usd_per_hour(self) -> float:
        """Price of the server."""

    @abstractmethod
    def step_s(self, batch: float, context: float) -> float:
        """Seconds of one decode step of ``batch`` sequences, each with ``context`` tokens of keys and
        values."""

    @abstractmethod
    def prefill_s(self, prompt: float) -> float:
        """Seconds before the first token of one query."""

    @abstractmethod
    def prefill_work_s(self, prompt: float) -> float:
        """Seconds that one more prompt takes in a full batch."""

    def tokens_per_s(self, batch: float, context: float) -> float:
        """Return the tokens per second of all sequences together."""
        return batch / self.step_s(batch, context)

    def usd_per_million(self, batch: float, context: float) -> float:
        """Dollars for a million generated tokens at a full batch."""
        return self.usd_per_hour / (3600 * self.tokens_per_s(batch, context)) * 1e6

    def latency_parallel_s(self, prompt: float, longest: float, k: int) -> float:
        """One query, k samples side by side: over when the longest is (``expected_longest``)."""
        return self.prefill_s(prompt) + longest * self.step_s(k, prompt + longest / 2)

    def latency_sequential_s(self, prompt: float, tokens: float, *, length: float) -> float:
        """One query, samples one after the other: ``tokens`` is what they take together
        (``expected_tokens``), ``length`` what one takes: each begins at the prompt again."""
        return self.prefill_s(prompt) + tokens * self.step_s(1, prompt + min(length, tokens) / 2)

    def usd_per_1000_queries(self, prompt: float, generated: float, k: float, *, batch: float) -> float:
        """At a full batch of ``batch`` sequences: prefill and k x L tokens of each query."""
        tokens_per_s = self.tokens_per_s(batch, prompt + generated / 2)
        seconds = self.prefill_work_s(prompt) + k * generated / tokens_per_s
        return 1000 * seconds * self.usd_per_hour / 3600
