"""Links that leave docs/ become pages of the site; links that lead nowhere are errors."""

import pytest

from deploy.site.repository import (
    BrokenLink,
    for_site,
    linked_files,
    origin_of,
    page_of,
    rewrite,
    target_of,
    title_of,
)


@pytest.mark.parametrize(
    ("target", "page"),
    [
        ("docs/runs.md", "runs.md"),
        ("docs/methods", "methods/README.md"),
        ("docs/decisions", "decisions/index.md"),
        ("docs/img/t2_pareto.svg", "img/t2_pareto.svg"),
        ("examples/rl_loop.py", "files/examples/rl_loop.py.md"),
        ("CONTRIBUTING.md", "files/CONTRIBUTING.md"),
        ("rewards/maths", "files/rewards/maths/index.md"),
        ("README.md", "README.md"),
    ],
)
def test_every_path_has_its_page(target: str, page: str) -> None:
    assert page_of(target) == page


def test_a_page_knows_its_file() -> None:
    assert origin_of("methods/stack.md") == "docs/methods/stack.md"
    assert origin_of("files/CONTRIBUTING.md") == "CONTRIBUTING.md"
    assert origin_of("files/examples/rl_loop.py.md") is None
    assert origin_of("reference/presets.md") is None


def test_links_are_rewritten_from_where_the_page_stands() -> None:
    text = (
        "[a](../examples/rl_loop.py), [b](runs.md#resume), ![c](img/t2_pareto.svg), [d](https://x.org),"
        " [e](#here)"
    )
    assert for_site(text, "learner.md") == (
        "[a](files/examples/rl_loop.py.md), [b](runs.md#resume), ![c](img/t2_pareto.svg), [d](https://x.org),"
        " [e](#here)"
    )
    assert for_site("[m](../../CONTRIBUTING.md)", "methods/stack.md") == "[m](../files/CONTRIBUTING.md)"
    assert for_site("[m](docs/runs.md)", "files/CONTRIBUTING.md") == "[m](../runs.md)"


def test_code_is_not_rewritten() -> None:
    text = "`[a](b)` and ``[c](d) ` e``\n```\n[f](g)\n```"
    assert rewrite(text, lambda link: "changed") == text


def test_a_link_that_shows_a_file_name_shows_the_title() -> None:
    assert (
        for_site("- [lora.md](lora.md): adapters.", "README.md")
        == "- [LoRA, rsLoRA, DoRA](lora.md): adapters."
    )


def test_a_link_to_nothing_is_an_error_that_names_both_ends() -> None:
    with pytest.raises(
        BrokenLink, match=r"docs/runs\.md: links to nothing\.md, and there is no docs/nothing\.md"
    ):
        target_of("nothing.md", "docs/runs.md")
    with pytest.raises(BrokenLink):
        target_of("../../outside.md", "docs/runs.md")
    with pytest.raises(BrokenLink, match="without a heading"):
        title_of("text")


def test_linked_files_bring_what_they_link_to() -> None:
    made = linked_files(["architecture.md"], also=["CONTRIBUTING.md"])
    assert {"files/examples/rl_loop.py.md", "files/CONTRIBUTING.md", "files/SECURITY.md"} <= set(made)
    assert "```python\n" in made["files/examples/rl_loop.py.md"]
    assert not any(page.startswith("files/docs") for page in made)
