"""The index lists every page; the page on your own model names fields that exist and a config that loads."""

import re
from pathlib import Path

from rl.config.fields import explain_unknown
from rl.config.load import load_config
from rl.config.schema import Config

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
FOLDERS = "rl|rollout|rewards|curricula|planner|benchmarks|tests|configs|examples|deploy|docs"
NOT_SETTINGS = {
    *("curriculum.jsonl", "records.json"),  # files
    *("reward_model.ground_truth", "algorithm.adv_estimator"),  # of verl
    *("evaluation.reference", "evaluation.task", "learner.token_s"),  # of ladders and of simulated systems
}
OF_THE_PAST = {DOCS / "log.md", DOCS / "decisions" / "0007-rooms.md"}
"""Pages that name files as they were."""


def test_the_index_lists_every_page_and_no_other() -> None:
    listed = re.findall(r"^- \[[^]]+\]\(([^)]+)\): \S.+\.$", (DOCS / "README.md").read_text(), re.M)
    pages = [*DOCS.glob("*.md"), *(DOCS / "concepts").glob("*.md"), *(DOCS / "howto").glob("*.md")]
    there = {page.relative_to(DOCS).as_posix() for page in pages} - {"README.md"}
    assert sorted(listed) == sorted(["decisions", "methods", *there])


def test_the_config_of_the_page_loads(tmp_path) -> None:
    (text,) = re.findall(r"```yaml\n(.+?)```", (DOCS / "own_model.md").read_text(), re.S)
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    config = load_config(str(file), ["model.path=DIR", "task.path=rows.jsonl"])
    assert (config.run.name, config.rollout.device, config.task.chat, config.stream.prompts_per_step) == (
        "mine",
        "cpu",
        True,
        8,
    )


def test_settings_of_other_libraries_become_fields_that_exist() -> None:
    rows = [
        line.split("|")[2]
        for line in (DOCS / "own_model.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    fields = {field for cell in rows for field in re.findall(r"`([a-z_.]+)`", cell)}
    assert len(fields) > 30
    assert [
        problem for field in sorted(fields) if (problem := explain_unknown(Config, field.split(".")))
    ] == []


def test_settings_that_pages_name_are_there() -> None:
    """A name may also be a module's. docs/config.md lists old names too."""
    named = re.compile(rf"`((?:{'|'.join(Config.model_fields)})(?:\.[a-z_]+)+)[=`]")
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    found = {
        (page, name)
        for page in pages
        if page != DOCS / "log.md" and page.parent != DOCS / "decisions"
        for name in named.findall(page.read_text(encoding="utf-8"))
    }
    assert len(found) > 200
    assert [
        f"{page.name}: {problem}"
        for page, name in sorted(found)
        if name not in NOT_SETTINGS
        and (problem := explain_unknown(Config, name.split(".")))
        and not (page.name == "config.md" and ": is now " in problem)
        and not (ROOT / f"{name.replace('.', '/')}.py").is_file()
    ] == []


def test_files_that_pages_and_docstrings_name_are_there() -> None:
    named = re.compile(rf"(?<![\w/.:-])((?:{FOLDERS})/(?:[\w.-]+/)*[\w-]+\.(?:py|md|yaml|toml))\b")
    sources = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    for folder in ("rl", "rollout", "rewards", "curricula", "planner", "benchmarks", "configs"):
        sources += [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.yaml")]
    missing = [
        f"{source.relative_to(ROOT)}: {name}"
        for source in sources
        if source not in OF_THE_PAST
        for name in named.findall(source.read_text(encoding="utf-8"))
        if "NAME" not in name and "PAGE" not in name and not (ROOT / name).is_file()
    ]
    assert missing == []


def test_tests_that_pages_name_are_there() -> None:
    named = re.compile(r"(?<![\w/])(?:tests/)?((?:unit|integration|e2e|gpu)/[\w/]*test_\w+\.py)")
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    found = [(page, name) for page in pages for name in named.findall(page.read_text(encoding="utf-8"))]
    assert len(found) > 30
    assert [f"{page.name}: {name}" for page, name in found if not (ROOT / "tests" / name).is_file()] == []
