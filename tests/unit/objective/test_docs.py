"""docs/objectives.md keeps up with the presets and the parts."""

import re
from pathlib import Path

import pytest

from rl.config.algorithm import AlgorithmConfig
from rl.config.choice import Choice
from rl.config.fields import names_at
from rl.config.load import load_config
from rl.config.shaping_names import SHAPING_ARGS

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")
PRESETS = sorted(p.stem for p in (ROOT / "configs" / "algorithm").glob("*.yaml"))
SECTION = TEXT[TEXT.index("## Presets") : TEXT.index("## Orthogonal parts")]
ROWS = {
    row[0].strip("` "): row
    for row in (line.split("|")[1:-1] for line in SECTION.splitlines() if line.startswith("| `"))
}
PARTS = ("mask", "reference", "advantage", "likelihood", "aggregation")


def chosen(config: AlgorithmConfig, part: str) -> str:
    value = getattr(config, part)
    return value.name if isinstance(value, Choice) else str(value)


def test_every_preset_has_a_row_and_every_row_a_preset() -> None:
    assert sorted(ROWS) == PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_row_names_the_presets_parts_a_paper_and_when_to_use_it(name: str) -> None:
    _, formula, parts, paper, when = (cell.strip() for cell in ROWS[name])
    config = load_config("quickstart", [f"algorithm={name}"]).algorithm
    assert parts.split(";")[0] == " · ".join(chosen(config, part) for part in PARTS)
    assert re.match(r"\d{4}\.\d{5}\b", paper) and formula and when
    set_apart = {
        "kl": config.kl is not None,
        "critic": config.critic is not None,
        "importance": config.importance.name != "none",
        "token_band": config.token_band is not None,
        "shaping": bool(config.shaping),
        "demonstrations": config.demonstrations is not None,
        "`k: ": config.pass_k > 1,
        "batch_rms": config.advantage_scale == "batch_rms",
    }
    assert {extra for extra in set_apart if extra in parts} == {
        extra for extra, used in set_apart.items() if used
    }


@pytest.mark.parametrize("field", [*PARTS, "importance", "group_weight"])
def test_every_choice_of_a_part_is_described(field: str) -> None:
    for choice in sorted(names_at(AlgorithmConfig, field)):
        assert choice == "none" or f"`{choice}`" in TEXT or f"`{field}: {choice}`" in TEXT, (
            f"{field}={choice}"
        )


def test_every_shaping_is_described() -> None:
    assert all(f"| `{name}` |" in TEXT for name in SHAPING_ARGS)
