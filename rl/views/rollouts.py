"""A run's rollouts as a table, from the files that are in the lineage of the newest weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl.records.rollouts.files import RolloutFile, live_files, rollout_files, starts_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc


def files_of(
    folder: Path, attempts: Sequence[Mapping[str, Any]], *, steps: range | None = None
) -> list[RolloutFile]:
    """The files to read, by step; of ``steps`` alone, if they are given."""
    files = live_files(rollout_files(folder), starts_of(attempts))
    return [file for file in files if steps is None or file.number in steps]


def read_rollouts(
    files: Sequence[RolloutFile],
    *,
    columns: Sequence[str] | None = None,
    where: "pc.Expression | None" = None,
) -> "pa.Table":
    """Their rows, by step and group. Columns that are left out, and files and row groups that ``where`` rules
    out by their statistics, are not read.

    Args:
        files: of one folder.
        columns: names in ``rl.records.rollouts.schema``; None = all that some file has.
        where: ``pyarrow.compute.field("correct") & (pyarrow.compute.field("length") > 100)``, say.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    from rl.records.rollouts.schema import COLUMNS, TOKEN_COLUMNS, schema

    if not files:
        names = list(COLUMNS) if columns is None else list(columns)
        return pa.schema([(name, (COLUMNS | TOKEN_COLUMNS)[name]) for name in names]).empty_table()
    paths = [str(file.path) for file in files]
    # A column that a file lacks is null in its rows: records.tokens may have changed at a resume.
    whole = ds.dataset(paths, format="parquet", schema=schema(tokens=True))
    table = whole.to_table(columns=None if columns is None else list(columns), filter=where)
    if columns is not None:
        return table
    unknown = [name for name in TOKEN_COLUMNS if table[name].null_count == table.num_rows]
    return table.drop_columns(unknown)
