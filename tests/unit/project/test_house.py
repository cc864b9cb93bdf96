"""The house keeps its limits: no loose module, no circle, no long file or function, every field explained."""

from pathlib import Path

import pytest

from benchmarks.house.figures import House, measure

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def house() -> House:
    return measure(ROOT)


def test_nothing_is_over_a_limit(house: House) -> None:
    assert {name: places for name, places in house.offenders.items() if places} == {}


def test_docstrings_have_a_subject_and_a_verb(house: House) -> None:
    assert house.figures['docstrings that begin with "Of" or "What"'] == 0


def test_faults_are_found(tmp_path: Path) -> None:
    for package in ("t2rl", "rl/room", "rl/config"):
        (tmp_path / package).mkdir(parents=True)
    (tmp_path / "rl" / "loose.py").write_text("from rl.room import one\n")
    (tmp_path / "rl" / "room" / "one.py").write_text("def f():\n    import rl.loose\n")
    (tmp_path / "rl" / "room" / "long.py").write_text("def g():\n" + "    x = 1\n" * 401)
    (tmp_path / "rl" / "config" / "a.py").write_text(
        'class A(Section):\n    n: int = 1\n    m: int = 2\n    """Of what is it."""\n'
    )
    broad = ("except:", "except Exception:", "except (ValueError, BaseException):")
    (tmp_path / "rl" / "room" / "broad.py").write_text("".join(f"try: 1\n{b}\n    pass\n" for b in 2 * broad))
    found = measure(tmp_path)
    assert found.offenders["loose modules in rl"] == ["rl.loose"]
    assert found.offenders["circles of modules"] == ["rl.loose <-> rl.room.one"]
    assert found.offenders["longest file (lines)"] == ["rl/room/long.py (402)"]
    assert found.offenders["longest function (lines)"] == ["rl/room/long.py:1 g (402)"]
    assert len(found.offenders["broad excepts"]) == found.figures["broad excepts"] == 6
    assert found.offenders["undocumented config fields"] == ["A.n"]
    assert found.figures['docstrings that begin with "Of" or "What"'] == 1
