"""``t2rl advisories check``: the contract of a rule, from the command line."""

from rl.commands.findings import report
from rl.records.advisories import RULES
from rl.records.advisories.contract import as_own, check_advisory
from rollout.user_code import resolve_function


def check_rule(name: str, *, as_json: bool) -> bool:
    """Print what the checks found; True if all passed.

    Raises:
        ValueError: there is no such rule.
    """
    ours = {name: as_own(rule) for name, rule in RULES.items() if rule.of_rows}
    findings = check_advisory(resolve_function("NAME", name, ours))
    return report(findings, title=f"advisory {name}", facts={"advisory": name}, as_json=as_json)
