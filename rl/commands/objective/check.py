"""``t2rl objective check``: the contract of a part, from the command line."""

from collections.abc import Sequence

from rl.commands.findings import read_arguments, report
from rl.commands.objective.kinds import check_contract, kind_of


def check_part(name: str, kind: str | None, args: str, *, allow: Sequence[str], as_json: bool) -> bool:
    """Print what the checks found; True if nothing failed.

    Raises:
        ValueError: there is no such part, kind or check, or the part does not take these arguments.
    """
    arguments = read_arguments(args)
    chosen = kind_of(name, kind)
    findings = check_contract(chosen, name, arguments, allow=allow)
    return report(
        findings,
        title=f"{chosen} {name}",
        facts={"kind": chosen, "part": name, "args": arguments},
        as_json=as_json,
    )
