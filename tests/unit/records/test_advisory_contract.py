"""The contract of an advisory: every rule keeps it, and every check has a rule that breaks it."""

import itertools
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rl.cli import app
from rl.records.advisories import EARLY, HEALTHY, RULES, WINDOW, Advisor, History, OwnRule, resolve_advisories
from rl.records.advisories.contract import CHECKS, as_own, check_advisory

EXAMPLE = f"{Path(__file__).resolve().parents[3] / 'examples' / 'own_advisory.py'}:idle_learner"
_CALLS = itertools.count()


def takes_the_key(early: History, latest: History) -> str | None:
    return "low" if latest[-1]["reward/mean"] < 0 else None


def always_talks(early: History, latest: History) -> str | None:
    return "look" if latest[-1].get("reward/mean", 0) > 0.1 else None


def misspelt(early: History, latest: History) -> str | None:
    return "low" if latest[-1].get("reward/men", 0.5) == 0.25 else None


def now_and_then(early: History, latest: History) -> str | None:
    return f"{next(_CALLS)}" if latest[-1].get("reward/mean", 0) < 0 else None


BREAKS: list[tuple[OwnRule, str]] = [
    (takes_the_key, "fails on no short run"),
    (always_talks, "quiet about a healthy run"),
    (misspelt, "speaks of some extreme"),
    (now_and_then, "same rows, same text"),
]


@pytest.mark.parametrize("name", sorted(name for name, rule in RULES.items() if rule.of_rows))
def test_every_rule_of_rows_keeps_the_contract(name: str) -> None:
    findings = check_advisory(as_own(RULES[name]))
    assert [(one.check, one.problem) for one in findings] == [(c, "") for c in CHECKS]


@pytest.mark.parametrize(("rule", "check"), BREAKS)
def test_a_broken_rule_fails_the_check_that_it_breaks(rule: OwnRule, check: str) -> None:
    assert {check} <= {one.check for one in check_advisory(rule) if not one.passed}


def test_every_check_has_a_rule_that_breaks_it() -> None:
    assert {check for _, check in BREAKS} == set(CHECKS)


def test_a_rule_of_a_users_own_speaks_in_a_run() -> None:
    advisor = Advisor(RULES, resolve_advisories([EXAMPLE]))
    said = [advisor.update(step, {"time/learner_idle_share": 0.9}) for step in range(EARLY)]
    assert [bool(one) for one in said] == [step >= WINDOW - 1 for step in range(WINDOW)] + [False] * (
        EARLY - WINDOW
    )
    (advice,) = said[WINDOW - 1]
    assert advice.name == "idle_learner" and advice.knob == "run.advisories"
    assert advice.line().startswith("idle_learner: the learner waits 90% of the time")


def test_a_rule_that_is_not_there_or_has_a_taken_name_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"run\.advisories is 'no_such:rule'"):
        resolve_advisories(["no_such:rule"])
    with pytest.raises(ValueError, match="another rule of the name 'idle_learner'"):
        resolve_advisories([EXAMPLE, EXAMPLE])


def test_the_command() -> None:
    def call(name: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["advisories", "check", name], env={"COLUMNS": "200"})
        return result.exit_code, result.output

    assert call(EXAMPLE)[0] == call("gap_rising")[0] == 0
    code, output = call("tests.unit.records.test_advisory_contract:always_talks")
    assert code == 1 and "FAIL  quiet about a healthy run" in output
    code, output = call("gap_falling")
    assert code == 2 and "choose one of" in output


def test_a_run_is_replayed_with_todays_rules(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("run: {name: mine}\n")
    rows: list[dict[str, float]] = [{"attempt": 1, "restored_step": 0}]
    rows += [{"attempt": 1, "step": i, **HEALTHY, "learner/applied": float(i != 3)} for i in range(6)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = CliRunner().invoke(app, ["advise", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    (advice,) = json.loads(result.output)
    assert (advice["step"], advice["name"]) == (3, "broken_numbers")
    assert "step 3: broken_numbers: a non-finite" in CliRunner().invoke(app, ["advise", str(tmp_path)]).output
    assert CliRunner().invoke(app, ["advise", str(tmp_path / "gone")]).exit_code == 2
