"""docs/advice.md has a row for every rule, in the rules' own words; every knob is a setting or a command."""

import re
from pathlib import Path

import pytest

from rl.config.fields import explain_unknown
from rl.config.schema import Config
from rl.records import advisories
from rl.records.advisories import RULES
from rl.records.advisories.table import rows

PAGE = Path(__file__).parents[3] / "docs" / "advice.md"
SECTIONS = "|".join(Config.model_fields)


def test_the_table_is_that_of_the_rules() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    wanted = [line for about in ("truth", "system", "objective") for line in rows(about)]
    missing = [line for line in wanted if line not in page]
    assert not missing, "put these rows into docs/advice.md:\n" + "\n".join(missing)
    names = [line.split("|")[1].strip(" `") for line in page if line.startswith("| `")]
    assert sorted(names) == sorted(RULES)


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_tells_all_that_the_table_needs(name: str) -> None:
    rule = RULES[name]
    assert all((rule.symptom, rule.cause, rule.fix, rule.knob, rule.source))
    for knob in rule.knob.split(", "):
        assert re.fullmatch(r"task|t2rl [a-z]+( [a-zA-Z]+)?|[a-z_]+(\.[a-z_]+)+|[a-z]+=[a-z_]+", knob), knob


def test_every_setting_that_a_rule_names_is_there() -> None:
    """Wherever its source names one: some rules choose the setting by what they see."""
    folder = Path(advisories.__file__).parent
    texts = [*re.findall(r"\"([^\"]*)\"", "".join(file.read_text() for file in folder.glob("*.py")))]
    named = {field for text in texts for field in re.findall(rf"(?:{SECTIONS})(?:\.[a-z_]+)+", text)}
    assert len(named) > 30
    problems = [explain_unknown(Config, field.split(".")) for field in sorted(named)]
    assert list(filter(None, problems)) == []
