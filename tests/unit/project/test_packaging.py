"""The wheel holds every package with its type marker, its licence, and one version throughout."""

import tomllib

import yaml

from tests.unit.project.imports import BESIDE, PACKAGES, ROOT, project

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_wheel_holds_every_package_and_each_is_typed() -> None:
    listed = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    present = {file.parent.name for file in ROOT.glob("*/__init__.py")} - set(BESIDE)
    assert set(listed) == set(PACKAGES) == present
    assert [name for name in listed if not (ROOT / name / "py.typed").is_file()] == []
    assert PYPROJECT["tool"]["importlinter"]["root_packages"] == listed


def test_the_licence_is_whole_and_named_alike() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project()["license"] == citation["license"] == "Apache-2.0"
    assert [file for file in project()["license-files"] if not (ROOT / file).is_file()] == []


def test_the_citation_names_this_version_and_these_authors() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "type", "date-released"} <= set(citation)
    assert str(citation["version"]) == project()["version"]
    assert citation["authors"] == project()["authors"]
