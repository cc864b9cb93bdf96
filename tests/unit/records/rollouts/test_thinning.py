"""Fewer rollouts: whole groups, the oldest first, never the newest file."""

import pyarrow.parquet as pq
import pytest

from rl.records.rollouts.files import RolloutFile, file_name, rollout_files
from rl.records.rollouts.thinning import COUNT, Folder, some_groups, with_count
from tests.unit.records.rollouts.tables import table


def put(folder: Folder, step: int, made=None, *, kind="step", attempt=1) -> None:
    path = folder.path / file_name(kind, step, attempt)
    file = RolloutFile(path=path, kind=kind, number=step, attempt=attempt)
    folder.put(file, with_count(made if made is not None else table(step, groups=16, noise=1000)))


def rows(folder: Folder) -> dict[int, int]:
    return {f.number: pq.read_metadata(f.path).num_rows for f in rollout_files(folder.path)}


@pytest.mark.parametrize("most", [2, 3, 5, 7])
def test_a_sample_is_whole_groups_in_their_order_and_the_same_every_time(most):
    full = table(groups=4)
    fewer = some_groups(full, most)
    assert 0 < fewer.num_rows <= most
    ids = fewer["group_id"].to_pylist()
    assert ids == sorted(ids) and all(ids.count(group) == 2 for group in ids)
    assert some_groups(full, most).equals(fewer)


def test_a_group_larger_than_the_sample_is_cut():
    fewer = some_groups(table(groups=3, size=10), 4)
    assert fewer.num_rows == 4 and len(set(fewer["group_id"].to_pylist())) == 1
    assert fewer["index"].to_pylist() == [0, 1, 2, 3]


def test_every_group_is_as_likely(tmp_path):
    chosen = [some_groups(table(step, groups=4), 2)["prompt_id"][0].as_py() for step in range(200)]
    assert all(30 < chosen.count(f"p{group}") < 70 for group in range(4))


def test_the_oldest_are_thinned_first_and_the_log_says_so_once(tmp_path):
    said: list[str] = []
    put(one := Folder(tmp_path / "one", max_bytes=1 << 30, notice=said.append), 0)
    size = one.num_bytes
    folder = Folder(tmp_path / "many", max_bytes=6 * size, notice=said.append)
    for step in range(24):
        put(folder, step)
        assert folder.num_bytes <= 6 * size
        assert folder.num_bytes == sum(f.path.stat().st_size for f in rollout_files(folder.path))
    left = rows(folder)
    assert left[23] == 32, "the newest is whole"
    assert len(left) > 6, "thinned, not cut off"
    ages = [left.get(step, 0) for step in range(24)]
    assert sum(ages[:12]) < sum(ages[12:])
    assert len(said) == 1 and "records.max_mib" in said[0] and "oldest" in said[0]
    oldest = rollout_files(folder.path)[0].path
    assert pq.read_schema(oldest).metadata[COUNT] == b"32", "whoever reads it knows what it was"


def test_the_newest_stays_whole_however_little_is_allowed_and_the_base_does_too(tmp_path):
    folder = Folder(tmp_path, max_bytes=1, keeps_first=True, notice=lambda _: None)
    for version in (0, 5, 10, 15):
        put(folder, version, kind="version")
    assert rows(folder) == {0: 32, 15: 32}


def test_a_resumed_folder_counts_what_is_there(tmp_path):
    put(first := Folder(tmp_path, max_bytes=1 << 30, notice=lambda _: None), 0)
    again = Folder(tmp_path, max_bytes=1 << 30, notice=lambda _: None)
    assert again.num_bytes == first.num_bytes > 0
    put(again, 0, kind="version", attempt=2)  # evaluated anew
    assert [f.attempt for f in rollout_files(tmp_path)] == [2]
