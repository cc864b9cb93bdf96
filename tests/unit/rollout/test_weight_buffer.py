"""The shared-memory weight file: layout, round trip, and every way in which it must refuse a bad file."""

import math
import os
from pathlib import Path

import pytest
import torch

from rollout.engine import TensorSpec
from rollout.weight_buffer import BLOCK_BYTES, WeightBuffer, plan_layout

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


def test_parts_put_together_in_any_order_are_the_same_buffer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollout.weight_buffer.PART_BYTES", 80)
    buffer, specs, _ = filled(tmp_path / "w")
    parts = list(enumerate(buffer.parts()))
    assert [len(part) for _, part in parts] == [80, 80, 32]
    other = WeightBuffer.open_or_create(tmp_path / "other", specs)
    other.assemble(reversed(parts))
    assert other.checksum() == buffer.checksum()
    assert WeightBuffer.open_or_create(tmp_path / "other", specs).checksum() == buffer.checksum()
    with pytest.raises(ValueError, match="1 of 3 never came"):
        other.assemble(parts[:2])
    with pytest.raises(ValueError, match="number 0 has 32 bytes"):
        other.assemble([(0, parts[2][1])])
    with pytest.raises(ValueError, match="number 1 has"):
        other.assemble([parts[1], parts[1]])
    longer = WeightBuffer.open_or_create(tmp_path / "other", plan_layout([*ITEMS, ("d", "int8", (64,))]))
    assert len(longer.parts()) == 4


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


BIG = plan_layout([("a", "float32", (300, 333)), ("b", "bfloat16", (77,)), ("c", "float32", (5, 100_000))])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("order", ["abc", "cba", "ab", "abca", "abcb", "aabc"])
def test_a_checksum_while_writing_is_that_of_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str, threads: int
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    written, reader = WeightBuffer.create(tmp_path / "w", BIG), WeightBuffer.open(tmp_path / "w", BIG)
    seen = {reader.checksum()}
    for turn in range(2):
        for position, name in enumerate(order):
            spec = written.specs[name]
            numbers = torch.arange(math.prod(spec.shape)).reshape(spec.shape) % 251 + turn + position
            written.write(name, numbers.float())
        assert written.checksum() == reader.checksum() == written.checksum()
        seen.add(written.checksum())
    assert len(seen) == 3


def test_every_block_counts(tmp_path: Path) -> None:
    buffer = WeightBuffer.create(tmp_path / "w", BIG)
    seen = {buffer.checksum()}
    for at in range(0, len(memoryview(buffer._bytes)), BLOCK_BYTES):
        buffer._bytes[at] ^= 1
        seen.add(buffer.checksum())
    assert len(seen) == 2 + (len(buffer._bytes) - 1) // BLOCK_BYTES >= 10


def test_another_file_of_the_same_name_is_another_one(tmp_path: Path) -> None:
    old = WeightBuffer.create(tmp_path / "w", BIG)
    mapped = WeightBuffer.open(tmp_path / "w", BIG)
    assert mapped.is_file(tmp_path / "w", BIG) and not mapped.is_file(tmp_path / "w", BIG[:2])
    size = (tmp_path / "w").stat().st_size
    os.truncate(tmp_path / "w", 1000)
    assert not mapped.is_file(tmp_path / "w", BIG), "reading past its end would kill the process"
    os.truncate(tmp_path / "w", size)
    WeightBuffer.create(tmp_path / "w", BIG)
    assert not mapped.is_file(tmp_path / "w", BIG)
    old.close(unlink=True)
    assert not mapped.is_file(tmp_path / "w", BIG)
