"""``t2rl trackers check``: the contract of a tracker, from the command line."""

from rl.commands.findings import read_arguments, report
from rl.records.trackers import TRACKERS
from rl.records.trackers.contract import check_tracker
from rollout.user_code import resolve_function


def check(name: str, *, settings: str, as_json: bool) -> bool:
    """Print what the checks found; True if all passed.

    Raises:
        ValueError: there is no such tracker, its library is missing, or ``settings`` is no JSON object.
    """
    open_tracker = resolve_function("NAME", name, TRACKERS)
    try:
        findings = check_tracker(open_tracker, read_arguments(settings))
    except ImportError as error:
        raise ValueError(f"{name}: {error}; docs/trackers.md says how to install its library") from error
    return report(findings, title=f"tracker {name}", facts={"tracker": name}, as_json=as_json)
