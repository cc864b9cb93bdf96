"""The rows of docs/advice.md."""

from rl.records.advisories import RULES
from rl.records.advisories.base import About


def rows(about: About) -> list[str]:
    """Markdown rows of the rules about one thing: name, symptom, cause, fix, knob, threshold's source."""
    return [
        f"| `{name}` | {rule.symptom} | {rule.cause} | {rule.fix} | {knobs(rule.knob)} | {rule.source} |"
        for name, rule in RULES.items()
        if rule.about == about
    ]


def knobs(text: str) -> str:
    """Each knob as code."""
    return ", ".join(f"`{one}`" for one in text.split(", "))
