"""The shared-memory weight file: layout, round trip, and every way in which it must refuse a bad file."""

from pathlib import Path

import pytest
import torch

from rollout.engine import TensorSpec
from rollout.weight_buffer import WeightBuffer, plan_layout

ITEMS = [("a", "float32", (3, 5)), ("b", "bfloat16", (7,)), ("c", "float32", ())]


def test_layout_is_aligned_and_in_order() -> None:
    a, b, c = plan_layout(ITEMS)
    assert (a.offset, a.num_bytes) == (0, 60)
    assert (b.offset, b.num_bytes) == (64, 14)
    assert (c.offset, c.num_bytes) == (128, 4)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([*ITEMS, ITEMS[0]], "appears twice"),
        ([("a", "float33", (1,))], "no dtype 'float33'"),
        ([], "at least one"),
    ],
)
def test_layout_refuses(items: list[tuple[str, str, tuple[int, ...]]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_layout(items)


def filled(path: Path) -> tuple[WeightBuffer, tuple[TensorSpec, ...], dict[str, torch.Tensor]]:
    specs = plan_layout(ITEMS)
    generator = torch.Generator().manual_seed(0)
    values = {s.name: torch.randn(s.shape, generator=generator).to(getattr(torch, s.dtype)) for s in specs}
    buffer = WeightBuffer.create(path, specs)
    for name, value in values.items():
        buffer.write(name, value)
    return buffer, specs, values


def test_round_trip_between_two_mappings(tmp_path: Path) -> None:
    buffer, specs, values = filled(tmp_path / "w")
    other = WeightBuffer.open(tmp_path / "w", specs)
    assert other.checksum() == buffer.checksum()
    read = dict(other.tensors())
    assert list(read) == ["a", "b", "c"]
    for name, value in values.items():
        assert read[name].dtype == value.dtype
        assert torch.equal(read[name], value)
    buffer.write("c", torch.tensor(9.0))
    assert read["c"].item() == 9.0  # views, not copies
    assert other.checksum() == buffer.checksum()


def test_write_casts_to_the_dtype_of_the_buffer(tmp_path: Path) -> None:
    buffer, _, _ = filled(tmp_path / "w")
    buffer.write("b", torch.full((7,), 1.0 + 2**-10, dtype=torch.float32))
    assert torch.equal(dict(buffer.tensors())["b"], torch.ones(7, dtype=torch.bfloat16))


@pytest.mark.parametrize("position", [0, 59, 64, 131])
def test_checksum_sees_one_flipped_bit(tmp_path: Path, position: int) -> None:
    buffer, _, _ = filled(tmp_path / "w")
    before = buffer.checksum()
    with (tmp_path / "w").open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))
    assert buffer.checksum() != before


def test_checksum_covers_the_layout(tmp_path: Path) -> None:
    """The same bytes under swapped names are other weights."""
    sums = []
    for names in (("a", "b"), ("b", "a")):
        buffer = WeightBuffer.create(tmp_path / "w", plan_layout((n, "float32", (16,)) for n in names))
        sums.append(buffer.checksum())
    assert sums[0] != sums[1]


def test_open_refuses_missing_short_and_stale_files(tmp_path: Path) -> None:
    specs = plan_layout(ITEMS)
    with pytest.raises(ValueError, match="no weight buffer"):
        WeightBuffer.open(tmp_path / "w", specs)
    filled(tmp_path / "w")
    with pytest.raises(ValueError, match="other tensors"):  # same size, other names
        WeightBuffer.open(
            tmp_path / "w", plan_layout([("z", d, s) if n == "a" else (n, d, s) for n, d, s in ITEMS])
        )
    with (tmp_path / "w").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(ValueError, match="holds 100 bytes"):
        WeightBuffer.open(tmp_path / "w", specs)


def test_create_leaves_readers_of_the_older_file_alone(tmp_path: Path) -> None:
    old, specs, values = filled(tmp_path / "w")
    WeightBuffer.create(tmp_path / "w", specs)
    assert torch.equal(dict(old.tensors())["a"], values["a"])
    assert not dict(WeightBuffer.open(tmp_path / "w", specs).tensors())["a"].any()


def test_write_refuses_wrong_name_and_shape(tmp_path: Path) -> None:
    buffer, _, _ = filled(tmp_path / "w")
    with pytest.raises(ValueError, match="not in the layout"):
        buffer.write("z", torch.zeros(1))
    with pytest.raises(ValueError, match=r"has shape \(5, 3\)"):
        buffer.write("a", torch.zeros(5, 3))


def test_close_can_unlink_and_is_idempotent(tmp_path: Path) -> None:
    buffer, _, _ = filled(tmp_path / "w")
    buffer.close(unlink=True)
    buffer.close(unlink=True)
    assert not (tmp_path / "w").exists()
