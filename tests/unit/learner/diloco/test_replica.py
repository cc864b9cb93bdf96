"""Replicas over real gloo, one a thread, with steps that are known: against the algorithm written down once
more without parts, links or threads."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from rl.config.learner import DilocoSync
from rl.learner.diloco.codes import decoded, encoded
from rl.learner.diloco.link import LinkBroken, Meeting
from rl.learner.diloco.replica import Replica, outer_tensors

ADDRESS = "127.0.0.1"
LAST = 12


class Toy(nn.Module):
    """Three layers and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(3))
        self.norm = nn.Linear(3, 1)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def make(count: int, **config: Any) -> tuple[list[Toy], list[Replica]]:
    models = []
    for _ in range(count):
        torch.manual_seed(0)
        models.append(Toy())
    sync = DilocoSync(**config)
    replicas = [Replica(SimpleNamespace(module=m), sync, last_batch=LAST, timeout_s=5.0) for m in models]
    return models, replicas


def meet(pool: ThreadPoolExecutor, replicas: list[Replica], epoch: int = 1) -> list[dict[str, int]]:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port = probe.getsockname()[1]

    def join(index: int) -> dict[str, int]:
        meeting = Meeting(address=ADDRESS, port=port, index=index, size=len(replicas), epoch=epoch)
        return replicas[index].join(meeting, {"updates": 100 + index})

    return list(pool.map(join, range(len(replicas))))


def all_at_once(pool: ThreadPoolExecutor, replicas: list[Replica]) -> list[dict[str, float]]:
    return list(pool.map(lambda replica: replica.after_batch(), replicas))


@torch.no_grad()
def move(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)


def flat(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def outer(replica: Replica, model: nn.Module) -> torch.Tensor:
    with replica.outer_weights():
        return flat(model)


def by_the_book(
    count: int, batches: int, coded: Callable[[torch.Tensor], torch.Tensor], config: DilocoSync
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Outer weights and the replicas' after so many batches, all weights in one part."""
    torch.manual_seed(0)
    theta = flat(Toy())
    own, momentum = [theta.clone() for _ in range(count)], torch.zeros_like(theta)
    under_way: list[tuple[int, torch.Tensor]] = []
    for n in range(1, batches + 1):
        for index in range(count):
            model = Toy()
            nn.utils.vector_to_parameters(own[index], model.parameters())
            move(model, 10 * n + index)
            own[index] = flat(model)
        if n % config.every == 0:
            delta = torch.stack([coded(theta - mine) for mine in own]).sum(0) / count
            under_way.append((n + config.overlap, delta))
        for lands, delta in [u for u in under_way if u[0] == n]:
            momentum = config.outer_momentum * momentum + delta
            theta = theta - config.outer_lr * (delta + config.outer_momentum * momentum)
            own = [config.mixing * mine + (1 - config.mixing) * theta for mine in own]
            under_way.remove((lands, delta))
    return theta, own


@pytest.mark.parametrize(
    "config",
    [
        {"every": 3},
        {"every": 3, "overlap": 2, "mixing": 0.5},
        {"every": 2, "outer_lr": 1.0, "outer_momentum": 0.0},
        {"every": 3, "bits": 8},
        {"every": 4, "overlap": 1, "bits": 4},
    ],
)
def test_replicas_follow_the_algorithm(pool: ThreadPoolExecutor, config: dict[str, Any]) -> None:
    models, replicas = make(3, **config)
    meet(pool, replicas)
    for n in range(1, 8):
        for index, model in enumerate(models):
            move(model, 10 * n + index)
        all_at_once(pool, replicas)
    bits = config.get("bits", 32)

    def coded(delta: torch.Tensor) -> torch.Tensor:
        # The part holds the layers first and the norm last, as the module does.
        return decoded(encoded(delta, bits), bits, len(delta))

    theta, own = by_the_book(3, 7, coded, DilocoSync(**config))
    for model, replica, mine in zip(models, replicas, own, strict=True):
        torch.testing.assert_close(outer(replica, model), theta, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(flat(model), mine, atol=1e-5, rtol=1e-5)
    assert all(
        torch.equal(outer(replicas[0], models[0]), outer(r, m)) for r, m in zip(replicas, models, strict=True)
    )


def test_parts_travel_in_turn_and_all_of_them_at_the_end(pool: ThreadPoolExecutor) -> None:
    models, replicas = make(2, every=4, fragments=4, overlap=2, mixing=0.5, outer_lr=1.0, outer_momentum=0.0)
    meet(pool, replicas)
    sent, landed = [], []
    for n in range(1, LAST + 1):
        for index, model in enumerate(models):
            move(model, 10 * n + index)
        figures = all_at_once(pool, replicas)[0]
        sent.append(figures["learner/sync_bytes"])
        landed.append(figures["learner/outer_steps"])
    whole = 4 * len(flat(models[0]))
    assert max(sent[:-1]) < whole / 2 and sum(sent[:4]) == whole
    assert landed[:4] == [0, 0, 1, 1] and landed[-1] >= 4
    # Everything has landed, and at rate 1 that is the mean of what the replicas were.
    assert torch.equal(outer(replicas[0], models[0]), outer(replicas[1], models[1]))
    for model, replica in zip(models, replicas, strict=True):
        assert not torch.equal(flat(model), outer(replica, model))  # half of one's own stays


def test_one_that_is_gone_breaks_the_link_and_the_others_go_on(pool: ThreadPoolExecutor) -> None:
    models, replicas = make(3, every=2, outer_lr=1.0, outer_momentum=0.0)
    meet(pool, replicas)
    for n in (1, 2, 3):
        for index, model in enumerate(models):
            move(model, 10 * n + index)
        if n < 3:
            all_at_once(pool, replicas)
    all_at_once(pool, replicas)
    dead = replicas.pop()
    models.pop()
    dead._link = None  # closes its sockets, as a process that dies
    for index, model in enumerate(models):
        move(model, 40 + index)
    ended = [pool.submit(replica.after_batch) for replica in replicas]
    assert all(isinstance(e.exception(), LinkBroken) for e in ended)
    before = [flat(model) for model in models]
    meet(pool, replicas, epoch=2)
    assert all(torch.equal(flat(m), b) for m, b in zip(models, before, strict=True)), "nothing is lost"
    for n in (5, 6):
        for index, model in enumerate(models):
            move(model, 10 * n + index)
        figures = all_at_once(pool, replicas)
    assert figures[0]["learner/outer_steps"] == 1 and figures[0]["learner/replicas"] == 2

    # A new one takes outer weights, momentum and counters, and is one of them from then on.
    (model,), (back,) = make(1, every=2, outer_lr=1.0, outer_momentum=0.0)
    told = meet(pool, [back, *replicas], epoch=3)
    assert told == [{"updates": 101}] * 3 and back.batches == replicas[0].batches == 6
    assert torch.equal(flat(model), outer(replicas[0], models[0]))
    for n in (7, 8):
        for index, one in enumerate([model, *models]):
            move(one, 10 * n + index)
        all_at_once(pool, [back, *replicas])
    assert torch.equal(outer(back, model), outer(replicas[1], models[1]))


def test_one_that_missed_an_outer_step_takes_it_over(pool: ThreadPoolExecutor) -> None:
    models, replicas = make(2, every=1)
    meet(pool, replicas)
    move(models[0], 1)
    all_at_once(pool, replicas)
    # As if the first one had finished an exchange that the second saw break.
    theta = replicas[0]._parts[0].theta
    theta.add_(1.0)
    replicas[0]._parts[0].rounds += 1
    meet(pool, replicas, epoch=2)
    assert torch.equal(outer(replicas[0], models[0]), outer(replicas[1], models[1]))
    assert torch.equal(flat(models[1]), theta)


def test_a_checkpoint_keeps_what_is_under_way(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    config = {"every": 3, "fragments": 2, "overlap": 2, "mixing": 0.5, "bits": 8}
    models, replicas = make(2, **config)
    meet(pool, replicas)

    def run(models: list[Toy], replicas: list[Replica], batches: range) -> None:
        for n in batches:
            for index, model in enumerate(models):
                move(model, 10 * n + index)
            all_at_once(pool, replicas)

    run(models, replicas, range(1, 5))
    assert replicas[0]._flights, "a part is under way when the checkpoint is taken"
    writers = [torch.save, None]
    list(pool.map(lambda replica, write: replica.save(tmp_path, {"updates": 4}, write), replicas, writers))
    own = [{k: v.clone() for k, v in model.state_dict().items()} for model in models]
    run(models, replicas, range(5, 10))

    again, resumed = make(2, **config)
    meet(pool, resumed)
    for model, state, replica in zip(again, own, resumed, strict=True):
        model.load_state_dict(state)
        assert replica.load(tmp_path, own=True) == {"updates": 4}
    run(again, resumed, range(5, 10))
    for old, new, model, other in zip(replicas, resumed, models, again, strict=True):
        assert torch.equal(outer(old, model), outer(new, other)) and torch.equal(flat(model), flat(other))

    shapes = {name: tensor.shape for name, tensor in own[0].items()}
    saved = outer_tensors(tmp_path, shapes)
    (lone,), (late,) = make(1, **config)
    meet(pool, [late])
    late.load(tmp_path, own=False)
    assert saved.keys() == own[0].keys()
    assert all(torch.equal(saved[name], p) for name, p in lone.state_dict().items())


def test_after_a_broken_exchange_the_others_follow_who_had_finished_it(pool: ThreadPoolExecutor) -> None:
    _, replicas = make(2, every=4, outer_lr=1.0, outer_momentum=0.0)
    meet(pool, replicas)
    for replica, rounds in zip(replicas, (3, 4), strict=True):
        replica.batches = 16
        replica._parts[0].rounds = rounds
    with torch.no_grad():
        replicas[1]._parts[0].theta.add_(1.0)
    finished = replicas[1]._parts[0].theta.clone()
    meet(pool, replicas, epoch=2)
    assert all(torch.equal(replica._parts[0].theta, finished) for replica in replicas)
    assert [replica._parts[0].rounds for replica in replicas] == [4, 4]
