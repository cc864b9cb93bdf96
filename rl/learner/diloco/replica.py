"""The outer state of one replica: what all of them agree on, when they exchange it, and how it comes back.

n counts the training batches that the run has given out; every replica counts all of them, whether or not its
share was empty. After batch n the parts of ``due_fragments(n)`` set out as theta - theta_m, and after batch
n + overlap their mean takes the outer step. Outer weights are equal on all replicas, bit for bit, without
ever being sent: each computes them from the same numbers. Only who comes late is sent them (``join``).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rl.config.learner import DilocoSync
from rl.learner.diloco.codes import encoded_bytes
from rl.learner.diloco.link import Link, LinkBroken, Meeting
from rl.learner.diloco.outer import due_fragments, fragments_of, mixed, outer_step
from rl.learner.shard_files import read_shard

OUTER_FILE = "outer.pt"
NEW = -1
"""Batches and rounds of a replica that has not met the others yet."""


@dataclass(slots=True, kw_only=True)
class Flight:
    """The mean of one part's outer gradient, under way."""

    part: int
    lands: int
    """The batch after which it arrives."""
    mean: Callable[[], torch.Tensor]
    """Waits for it."""


@dataclass(slots=True, kw_only=True)
class Part:
    """One part of the weights: [n] each, its parameters one after the other."""

    names: list[str]
    theta: torch.Tensor
    momentum: torch.Tensor
    rounds: int = NEW
    """Outer steps that it has taken."""


class Replica:
    """Wraps the parameters of one DeepSpeed engine at ZeRO-0 in float32, whose ``data`` are the weights."""

    def __init__(self, engine: Any, config: DilocoSync, *, last_batch: int, timeout_s: float) -> None:
        """``last_batch``: after it all parts are exchanged, and waited for."""
        self._engine = engine
        self._config = config
        self._last_batch = last_batch
        self._timeout_s = timeout_s
        self._own = {n: p for n, p in engine.module.named_parameters() if p.requires_grad}
        first = {p: name for name, p in self._own.items()}
        everywhere = engine.module.named_parameters(remove_duplicate=False)
        self._aliases = {n: first[p] for n, p in everywhere if p in first and first[p] != n}
        """Other names of tied weights -> the name that they have here."""
        sizes = {name: p.numel() for name, p in self._own.items()}
        self._parts = []
        for names in fragments_of(sizes, config.fragments):
            theta = torch.cat([self._own[n].detach().reshape(-1) for n in names] or [torch.zeros(0)])
            self._parts.append(Part(names=names, theta=theta, momentum=torch.zeros_like(theta)))
        self._flights: list[Flight] = []
        self._link: Link | None = None
        self.batches = NEW
        """n."""

    # -- one batch -------------------------------------------------------------------------------------------

    def after_batch(self) -> dict[str, float]:
        """Count a batch, and send and receive what is due; returns the figures of it. Collective.

        Raises:
            LinkBroken: another replica is gone. What was under way is dropped: it was a difference from the
                outer weights, still is one, and goes with the part's next exchange.
        """
        assert self._link is not None, "join() first"
        self.batches += 1
        sent, started = self._link.sent_bytes, time.perf_counter()
        last = self.batches == self._last_batch
        due = due_fragments(self.batches, every=self._config.every, fragments=len(self._parts), last=last)
        try:
            # First what arrives: a part that sets out again must not count what is under way a second time.
            landed = self._land_due(everything=last)
            for part in due:
                self._launch(part, overlap=0 if last else self._config.overlap)
            landed += self._land_due(everything=last)
        except LinkBroken:
            self._flights.clear()
            raise
        return {
            "learner/sync_bytes": self._link.sent_bytes - sent,
            "learner/sync_wait_s": time.perf_counter() - started,
            "learner/outer_steps": float(landed),
            "learner/replicas": float(self._link.size),
        }

    def _launch(self, number: int, *, overlap: int) -> None:
        assert self._link is not None
        part = self._parts[number]
        mean = self._link.start(part.theta - self._flat(part), self._config.bits)
        self._flights.append(Flight(part=number, lands=self.batches + overlap, mean=mean))

    def _land_due(self, *, everything: bool) -> int:
        """How many parts took their outer step."""
        due = [f for f in self._flights if everything or f.lands <= self.batches]
        for flight in due:
            self._land(flight.part, flight.mean())
            self._flights.remove(flight)
        return len(due)

    def _land(self, number: int, delta: torch.Tensor) -> None:
        part, config = self._parts[number], self._config
        outer_step(part.theta, part.momentum, delta, lr=config.outer_lr, beta=config.outer_momentum)
        part.rounds += 1
        self._set(part, mixed(self._flat(part), part.theta, alpha=config.mixing))

    def _flat(self, part: Part) -> torch.Tensor:
        """This replica's own weights of a part [n], copied."""
        if not part.names:
            return torch.zeros(0)
        return torch.cat([self._own[name].detach().reshape(-1) for name in part.names])

    @torch.no_grad()
    def _set(self, part: Part, values: torch.Tensor) -> None:
        for name, piece in self._pieces(part, values):
            self._own[name].copy_(piece)

    def _pieces(self, part: Part, values: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Views of ``values`` [n] in the shapes of the part's parameters."""
        start = 0
        for name in part.names:
            own = self._own[name]
            yield name, values[start : start + own.numel()].view(own.shape)
            start += own.numel()

    # -- what others see -------------------------------------------------------------------------------------

    @contextmanager
    def outer_weights(self) -> Iterator[None]:
        """Inside the block the model has the outer weights, without a copy: what is published, probed and
        exported."""
        kept = {name: p.data for name, p in self._own.items()}
        for part in self._parts:
            for name, piece in self._pieces(part, part.theta):
                self._own[name].data = piece
        try:
            yield
        finally:
            for name, data in kept.items():
                self._own[name].data = data

    # -- who takes part --------------------------------------------------------------------------------------

    @torch.no_grad()
    def join(self, meeting: Meeting, schedule: dict[str, int]) -> dict[str, int]:
        """Meet the others, and agree on the outer state: that of the replica with the most batches and, of
        those, the most exchanges. Collective.

        One that is new takes it as its own weights; one that missed the end of an exchange takes it as if it
        had not. ``schedule`` are further counters; those of that replica are returned.
        """
        self._flights.clear()
        device = self._parts[0].theta.device
        self._link = Link(meeting, device=device, timeout_s=self._timeout_s)
        rounds = [part.rounds for part in self._parts]
        rows = self._link.gathered([self.batches, *rounds, *schedule.values()])
        # Of equally many batches, who had finished an exchange that broke for others.
        source = max(range(len(rows)), key=lambda i: (rows[i][0], sum(rows[i][1 : 1 + len(rounds)])))
        told, new = rows[source], self.batches == NEW and rows[source][0] != NEW
        for number, part in enumerate(self._parts):
            right = told[1 + number]
            if all(row[1 + number] == right for row in rows):
                continue
            self._link.broadcast(part.theta, source)
            self._link.broadcast(part.momentum, source)
            if part.rounds != right:
                own = part.theta if new else mixed(self._flat(part), part.theta, alpha=self._config.mixing)
                self._set(part, own)
                part.rounds = right
        self.batches = max(told[0], 0)
        for part in self._parts:
            part.rounds = max(part.rounds, 0)
        return dict(zip(schedule, told[1 + len(rounds) :], strict=True))

    def whole_exchange_bytes(self) -> int:
        """Bytes of all weights, once, as they travel."""
        return sum(encoded_bytes(len(part.theta), self._config.bits) for part in self._parts)

    # -- checkpoints -----------------------------------------------------------------------------------------

    def save(
        self, directory: Path, schedule: dict[str, int], write: Callable[[Any, str], None] | None
    ) -> None:
        """Hand the outer state and the ``schedule`` counters to ``write``, a background writer, on the one
        replica that has it; waits for what is under way and keeps it apart, to land when it is due.
        Collective."""
        landed = [_here(f.part, f.lands, f.mean()) for f in self._flights]
        arrived = [{"part": f.part, "lands": f.lands, "mean": f.mean()} for f in landed]
        parts = [
            {"names": p.names, "theta": p.theta, "momentum": p.momentum, "rounds": p.rounds}
            for p in self._parts
        ]
        state = {"batches": self.batches, "parts": parts, "arrived": arrived}
        state |= {"schedule": schedule, "aliases": self._aliases}
        if write is not None:
            write(state, str(directory / OUTER_FILE))
        self._flights = landed

    @torch.no_grad()
    def load(self, directory: Path, *, own: bool) -> dict[str, int]:
        """Take what ``save`` wrote, and return its ``schedule``; without ``own`` weights of this replica the
        outer ones become them. After ``join``: every replica loads the same file."""
        state = read_shard(directory / OUTER_FILE, map_location="cpu")
        self.batches = state["batches"]
        for part, saved in zip(self._parts, state["parts"], strict=True):
            assert part.names == saved["names"], "the shape says how many parts there are"
            part.theta.copy_(saved["theta"])
            part.momentum.copy_(saved["momentum"])
            part.rounds = saved["rounds"]
            if not own:
                self._set(part, part.theta)
        self._flights = [_here(a["part"], a["lands"], a["mean"]) for a in state["arrived"]]
        schedule: dict[str, int] = state["schedule"]
        return schedule


def outer_tensors(directory: Path, shapes: dict[str, torch.Size]) -> dict[str, torch.Tensor]:
    """The outer weights of a checkpoint by parameter name, tied ones under each of theirs, in their
    ``shapes``."""
    found: dict[str, torch.Tensor] = {}
    state = read_shard(directory / OUTER_FILE, map_location="cpu")
    for part in state["parts"]:
        sizes = [shapes[name].numel() for name in part["names"]]
        pieces = part["theta"].split(sizes) if sizes else ()
        found |= {n: t.view(shapes[n]) for n, t in zip(part["names"], pieces, strict=True)}
    return found | {alias: found[name] for alias, name in state["aliases"].items()}


def _here(part: int, lands: int, mean: torch.Tensor) -> Flight:
    return Flight(part=part, lands=lands, mean=lambda: mean)
