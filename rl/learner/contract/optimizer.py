"""The contract of an optimizer: ``(model, config) -> torch.optim.Optimizer``."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from rl.config.learner import LearnerConfig
from rl.learner.optimizers import OptimizerFactory
from rollout.contract import require

STEPS = 20


class Toy(nn.Module):
    """An embedding, a hidden matrix, vectors, an output head and a frozen matrix, as in a language model."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.embedding = nn.Embedding(6, 4)
        self.hidden = nn.Linear(4, 4)
        self.frozen = nn.Linear(4, 4, bias=False)
        self.head = nn.Linear(4, 3, bias=False)
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.5, generator=generator)
        self.frozen.weight.requires_grad_(False)

    def get_output_embeddings(self) -> nn.Module:
        """As a transformers model does."""
        return self.head

    def loss(self) -> torch.Tensor:
        """[] the mean squared distance of the outputs from a fixed target: a fall is possible everywhere."""
        states = self.hidden(self.embedding(torch.arange(6))) + self.frozen.weight.mean()
        return (self.head(states) - torch.linspace(-1, 1, 18).reshape(6, 3)).square().mean()


@dataclass(frozen=True, kw_only=True)
class AskedOptimizer:
    """A factory with the settings that it reads."""

    factory: OptimizerFactory
    config: LearnerConfig

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of a model."""
        optimizer = self.factory(model, self.config)
        require(
            isinstance(optimizer, torch.optim.Optimizer),
            f"the factory gives {type(optimizer).__name__}; give a torch.optim.Optimizer",
        )
        return optimizer


def train(model: Toy, optimizer: torch.optim.Optimizer, steps: int = STEPS) -> list[float]:
    """[steps] losses, each before its step."""
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model.loss()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def all_parameters(asked: AskedOptimizer) -> None:
    """Every trainable parameter is in one group, and no frozen one."""
    model = Toy()
    held = [id(p) for group in asked.build(model).param_groups for p in group["params"]]
    require(len(held) == len(set(held)), "a parameter is in two groups")
    for name, parameter in model.named_parameters():
        inside = id(parameter) in held
        require(
            inside == parameter.requires_grad,
            f"{name} is {'in a group, and frozen' if inside else 'trainable, and in no group'}: take the"
            " parameters with requires_grad",
        )


def a_quadratic_falls(asked: AskedOptimizer) -> None:
    """Twenty steps lower a loss, and change no frozen parameter."""
    model = Toy()
    frozen = model.frozen.weight.clone()
    losses = train(model, asked.build(model))
    last = model.loss().item()
    require(last < losses[0], f"{STEPS} steps take a loss from {losses[0]:g} to {last:g}")
    require(torch.equal(model.frozen.weight, frozen), "it changes a frozen parameter")


def follows_the_rate(asked: AskedOptimizer) -> None:
    """The schedule sets each group's rate; at rate 0 nothing moves."""
    model = Toy()
    optimizer = asked.build(model)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: 0.0)
    before = {name: values.clone() for name, values in model.state_dict().items()}
    train(model, optimizer, steps=2)
    for name, values in model.state_dict().items():
        require(
            torch.equal(values, before[name]),
            f"{name} moves at learning rate 0: every step must be a multiple of its group's lr, else warm-up"
            " and schedule do nothing",
        )


def resumes(asked: AskedOptimizer) -> None:
    """Its state, written and read, goes on exactly as if nothing had been."""
    whole, first = Toy(), Toy()
    train(whole, asked.build(whole))
    optimizer = asked.build(first)
    train(first, optimizer, STEPS // 2)
    file = io.BytesIO()
    torch.save([first.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    second = Toy()
    second.load_state_dict(weights)
    restored = asked.build(second)
    restored.load_state_dict(state)
    train(second, restored, STEPS - STEPS // 2)
    for name, values in second.state_dict().items():
        require(
            torch.equal(values, whole.state_dict()[name]),
            f"{name} differs after a state_dict round trip: keep what a step needs in optimizer.state or the"
            " parameter groups",
        )


def deterministic(asked: AskedOptimizer) -> None:
    """Two runs alike give the same losses."""
    first, second = Toy(), Toy()
    losses = train(first, asked.build(first))
    with torch.random.fork_rng():
        torch.manual_seed(7)
        again = train(second, asked.build(second))
    require(losses == again, "two runs with the same gradients differ")


CHECKS: dict[str, Callable[[AskedOptimizer], None]] = {
    "holds every trainable parameter once": all_parameters,
    "a quadratic falls": a_quadratic_falls,
    "follows the learning rate": follows_the_rate,
    "state_dict goes on exactly": resumes,
    "same gradients, same steps": deterministic,
}
"""Name -> check, in the order to run them."""
