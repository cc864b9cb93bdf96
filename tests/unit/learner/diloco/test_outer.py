"""The outer optimizer against numbers worked out by hand, and what is exchanged when."""

import pytest
import torch

from rl.learner.diloco.codes import BLOCK, decoded, encoded, encoded_bytes
from rl.learner.diloco.outer import due_fragments, fragments_of, mixed, outer_step


def test_two_outer_steps_by_hand() -> None:
    theta, momentum = torch.tensor([1.0, 2.0]), torch.zeros(2)
    # Replicas at (0, 2) and (1, 4): their mean is (.5, 3), so delta = (.5, -1).
    outer_step(theta, momentum, torch.tensor([0.5, -1.0]), lr=0.5, beta=0.8)
    # b = delta; delta + .8 b = (.9, -1.8); theta - half of it
    torch.testing.assert_close(momentum, torch.tensor([0.5, -1.0]))
    torch.testing.assert_close(theta, torch.tensor([0.55, 2.9]))
    outer_step(theta, momentum, torch.tensor([0.1, 0.0]), lr=0.5, beta=0.8)
    # b = .8 (.5, -1) + (.1, 0) = (.5, -.8); delta + .8 b = (.5, -.64)
    torch.testing.assert_close(momentum, torch.tensor([0.5, -0.8]))
    torch.testing.assert_close(theta, torch.tensor([0.3, 3.22]))


def test_it_is_torchs_nesterov() -> None:
    torch.manual_seed(0)
    parameter = torch.nn.Parameter(torch.randn(7))
    reference = torch.optim.SGD([parameter], lr=0.4, momentum=0.9, nesterov=True)
    theta, momentum = parameter.detach().clone(), torch.zeros(7)
    for _ in range(5):
        parameter.grad = torch.randn(7)
        outer_step(theta, momentum, parameter.grad, lr=0.4, beta=0.9)
        reference.step()
        torch.testing.assert_close(theta, parameter.detach())


def test_rate_one_without_momentum_is_the_mean_of_the_replicas() -> None:
    theta, replicas = torch.randn(5), torch.randn(3, 5)
    expected = replicas.mean(0)
    outer_step(theta, torch.zeros(5), theta - expected, lr=1.0, beta=0.0)
    torch.testing.assert_close(theta, expected)


def test_mixing_keeps_a_share_of_ones_own() -> None:
    own, theta = torch.tensor([1.0]), torch.tensor([5.0])
    assert mixed(own, theta, alpha=0.0).item() == 5.0
    assert mixed(own, theta, alpha=0.25).item() == 4.0


@pytest.mark.parametrize(("every", "fragments"), [(1, 1), (8, 1), (8, 3), (5, 5)])
def test_each_part_is_due_once_in_every_and_no_two_at_once(every: int, fragments: int) -> None:
    due = [due_fragments(n, every=every, fragments=fragments, last=False) for n in range(1, 2 * every + 1)]
    assert sorted(part for parts in due[:every] for part in parts) == list(range(fragments))
    assert due[:every] == due[every:] and max(map(len, due)) == 1
    assert due_fragments(7, every=every, fragments=fragments, last=True) == list(range(fragments))


def test_layers_stay_whole_and_lie_apart() -> None:
    sizes = {f"model.layers.{i}.{part}": 10 for i in range(6) for part in ("attention", "mlp")}
    sizes |= {"model.embed": 50, "model.norm": 1}
    parts = fragments_of(sizes, 3)
    assert sorted(name for part in parts for name in part) == sorted(sizes)
    assert {name for name in parts[1] if "layers" in name} == {
        f"model.layers.{i}.{part}" for i in (1, 4) for part in ("attention", "mlp")
    }
    assert ("model.embed" in parts[0]) != ("model.norm" in parts[0])


@pytest.mark.parametrize("bits", [32, 8, 4])
@pytest.mark.parametrize("size", [1, BLOCK, 3 * BLOCK + 5])
def test_codes_err_by_what_their_module_says(bits: int, size: int) -> None:
    torch.manual_seed(size)
    values = torch.randn(size) * torch.logspace(-4, 1, size)
    values[0] = 0.0
    code = encoded(values, bits)
    assert code.dtype is torch.uint8 and len(code) == encoded_bytes(size, bits)
    back = decoded(code, bits, size)
    error = (back - values).abs()
    for start in range(0, size, BLOCK):
        block = slice(start, start + BLOCK)
        largest = values[block].abs().max()
        if bits == 32:
            bound = torch.zeros_like(values[block])
        elif bits == 8:
            bound = (largest / 254).expand_as(values[block])
        else:
            bound = torch.maximum(values[block].abs() / 3, largest / 128)
        assert bool((error[block] <= bound * (1 + 1e-5)).all())


def test_four_bits_round_to_the_nearest_power() -> None:
    values = torch.zeros(BLOCK)
    values[:8] = torch.tensor([1.0, 0.76, 0.74, -0.5, -0.38, 1 / 64, 1 / 129, -0.9])
    back = decoded(encoded(values, 4), 4, BLOCK)
    assert back[:8].tolist() == [1.0, 1.0, 0.5, -0.5, -0.5, 1 / 64, 0.0, -1.0]
    assert not back[8:].any() and len(encoded(values, 4)) == 4 + BLOCK // 2


def test_nothing_but_zeros_stays_so() -> None:
    for bits in (32, 8, 4):
        assert not decoded(encoded(torch.zeros(300), bits), bits, 300).any()
