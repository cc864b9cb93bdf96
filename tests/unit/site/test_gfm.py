"""Pages as a Git host reads them, turned into what MkDocs reads the same way."""

import markdown
import pytest

from deploy.site.gfm import for_mkdocs, outside_code, slug


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("The loop: algorithm=planner_loop", "the-loop-algorithmplanner_loop"),
        ("Claims, thresholds, hold-outs", "claims-thresholds-hold-outs"),
        ("SFT → DPO", "sft--dpo"),
        ("0001: staleness is bounded", "0001-staleness-is-bounded"),
    ],
)
def test_anchors_are_those_of_a_git_host(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor


def html(text: str) -> str:
    return markdown.markdown(for_mkdocs(text), extensions=["tables", "fenced_code"])


def test_a_list_right_after_a_paragraph_is_a_list() -> None:
    text = "Three parts:\n- one\n- two\n  goes on\n"
    assert "<li>" not in markdown.markdown(text)
    assert html(text).count("<li>") == 2
    assert html("1. one\n2. two\n").count("<li>") == 2


def test_two_spaces_nest_a_list() -> None:
    text = "- one\n  - inner\n  - second\n- two\n"
    assert markdown.markdown(text).count("<ul>") == 1
    assert html(text).count("<ul>") == 2


def test_a_table_right_after_a_paragraph_is_a_table() -> None:
    assert "<table>" in html("Figures:\n| a | b |\n|---|---|\n| 1 | 2 |\n")


def test_code_stays_as_it_is() -> None:
    text = "Text\n\n```\nx:\n- y\n  - z\n| a | b |\n|---|---|\n```\n\nMore\n"
    assert for_mkdocs(text) == text
    fence = "````\n```\n- x\n```\n````"
    assert outside_code(f"A\n{fence}\nB", str.lower) == f"a\n{fence}\nb"
