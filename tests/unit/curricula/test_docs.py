"""docs/curricula.md keeps up with the presets."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]


def test_every_preset_has_a_row_with_its_slots() -> None:
    text = (ROOT / "docs" / "curricula.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE))
    presets = {
        p.stem: yaml.safe_load(p.read_text(encoding="utf-8")) or {}
        for p in (ROOT / "configs" / "curriculum").glob("*.yaml")
    }
    assert set(rows) == set(presets)
    for name, content in presets.items():
        slots = content.get("curriculum", content)
        assert all(slot in rows[name] for slot in slots), name
