"""CI and pre-commit call the same targets of the Makefile; what contributors are pointed to exists."""

import re
from typing import Any

import yaml

from tests.unit.project.imports import ROOT

TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))


def read(name: str) -> Any:
    """Return the content of a YAML file of the repository."""
    return yaml.safe_load((ROOT / name).read_text())


def made(text: str) -> list[str]:
    """Return the targets that a script makes, in order."""
    return re.findall(r"^make ([a-z]+)$", text, re.M)


def test_the_workflow_makes_what_ci_makes() -> None:
    jobs = read(".github/workflows/ci.yml")["jobs"]
    runs = {name: "\n".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}
    assert made(runs["lint"]) == ["lint"]
    assert made(runs["test"]) == made((ROOT / ".ci/run").read_text()) == ["test"]


def test_hooks_are_targets_and_together_the_whole_lint() -> None:
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"  # no version of its own that could differ
    targets = [made(hook["entry"])[0] for hook in repository["hooks"]]
    assert set(targets) <= TARGETS
    (lint,) = re.findall(r"^lint: (.+)$", (ROOT / "Makefile").read_text(), re.M)
    assert sorted(lint.split()) == sorted(targets)


def test_issue_forms_ask_for_what_a_bug_needs() -> None:
    for name in ("bug", "proposal"):
        form = read(f".github/ISSUE_TEMPLATE/{name}.yml")
        assert {"name", "description", "body"} <= set(form)
        assert len({part["id"] for part in form["body"] if "id" in part}) > 2
    form = read(".github/ISSUE_TEMPLATE/bug.yml")
    bug = {part["id"]: part for part in form["body"] if "id" in part}
    assert all(part["validations"]["required"] for part in bug.values())
    assert "t2rl doctor" in bug["doctor"]["attributes"]["label"]


def test_pages_that_are_pointed_to_exist() -> None:
    for page in ("SECURITY.md", "CONTRIBUTING.md", ".github/pull_request_template.md"):
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text())
        assert [link for link in links if not (ROOT / link).exists()] == []
    for heading in re.findall(r'"([A-Z][^"]+)"', (ROOT / "SECURITY.md").read_text()):
        assert f"## {heading}\n" in (ROOT / "docs/sandbox.md").read_text()


def test_results_name_no_folder_of_a_machine() -> None:
    files = [file for file in (ROOT / "benchmarks/results").iterdir() if file.suffix in (".json", ".jsonl")]
    folder = re.compile(r"[\s\"'=:]/(root|home|work|tmp|mnt|Users)/")
    assert len(files) > 20
    assert [file.name for file in files if folder.search(file.read_text())] == []
