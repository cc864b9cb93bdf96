"""``t2rl curriculum check``: the contract of a part, from the command line."""

from pathlib import Path

from curricula import build_part
from curricula.contract import run_contract
from curricula.simulation.rows import read_rows
from rl.commands.findings import read_arguments, report


def check_part(name: str, args: str, *, pool: Path | None, as_json: bool) -> bool:
    """Print what the checks found; True if all passed.

    Raises:
        ValueError: there is no such part, it does not take these arguments, or the pool is wrong.
    """
    arguments = read_arguments(args)
    build_part("SLOT", name, arguments)
    findings = run_contract(
        lambda: build_part("SLOT", name, arguments), pool=None if pool is None else read_rows(pool)
    )
    return report(findings, title=name, facts={"part": name, "args": arguments}, as_json=as_json)
