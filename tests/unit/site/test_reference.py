"""The generated references hold everything that the program knows, and what they link to is there."""

import re
from typing import Any

import pytest
from typer.main import get_command

from curricula import CURRICULA
from deploy.site.reference import commands, configuration, presets, registries
from deploy.site.reference.words import code, plain, prose, table
from deploy.site.see_also import place_of, with_links
from rewards import REWARDS
from rl.cli import app
from rl.config.compose import config_groups
from rl.config.explain import explain
from rl.config.schema import Config
from rl.config.stages import DpoConfig, SftConfig

ANCHOR = re.compile(r"\{ #([\w.-]+) \}|<a id=\"([\w.-]+)\">")


def anchors(text: str) -> list[str]:
    return [one or other for one, other in ANCHOR.findall(text)]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {
        page: text
        for part in (configuration, presets, commands, registries)
        for page, text in part.pages().items()
    }


@pytest.mark.parametrize("root", [Config, SftConfig, DpoConfig])
def test_every_field_has_its_anchor(pages: dict[str, str], root: type) -> None:
    places = configuration.field_places()
    for item in explain(root, ""):
        page, anchor = places[item.path]
        # A section that has a page to itself is its title; a field of its own is below one.
        assert anchor in anchors(pages[page]) or (item.kind.startswith("section") and "." not in item.path), (
            item.path
        )


def test_no_anchor_is_taken_twice(pages: dict[str, str]) -> None:
    for page, text in pages.items():
        found = anchors(text)
        assert sorted(found) == sorted(set(found)), page


def test_a_field_says_type_limit_default_and_meaning(pages: dict[str, str]) -> None:
    page = pages["reference/config/stream.md"]
    part = page[page.index("{ #stream-max_staleness }") :].split("###")[0]
    assert "whole number, at least 0 · default `1`" in part
    assert "Learner version at consumption minus oldest token version never exceeds it" in part


def test_a_choice_is_a_table_of_what_each_reads(pages: dict[str, str]) -> None:
    page = pages["reference/config/algorithm.md"]
    part = page[page.index("{ #algorithm-mask }") :].split("###")[0]
    assert (
        "| choice | what it does | reads |" in part and "`dual_clip`" in part and "`pkg.module:attr`" in part
    )
    assert "· with `" in page


def test_every_preset_says_what_it_sets(pages: dict[str, str]) -> None:
    found = anchors(pages[presets.PAGE])
    for group, names in config_groups().items():
        assert {f"{group}-{name}" for name in names} <= set(found)
    assert "| `algorithm.mask.clip_high` | `0.28` |" in pages[presets.PAGE]


def test_every_command_is_there_with_its_options(pages: dict[str, str]) -> None:
    program: Any = get_command(app)
    assert {f"t2rl {name}" for name, one in program.commands.items() if not one.hidden} <= set(
        commands.command_places()
    )
    page = pages["reference/cli/curriculum.md"]
    assert "| `--steps` `NUMBER` ≥ 1 |" in page and "| `PRESET` | **required** |" in page
    assert (
        "```bash\n# rows {id, category, pass_rate}\nt2rl curriculum simulate knapsack --pool rows.jsonl\n"
        in page
    )
    assert "[bold]" not in "".join(pages.values()) and "[/]" not in "".join(pages.values())


def test_registries_are_whole(pages: dict[str, str]) -> None:
    assert set(CURRICULA) <= set(anchors(pages[registries.CURRICULA_PAGE]))
    assert set(REWARDS) <= set(anchors(pages[registries.REWARDS_PAGE]))
    assert "[`dapo`](presets.md#algorithm-dapo)" in pages[registries.ALGORITHMS_PAGE]


def test_words() -> None:
    assert prose("a ``b_c`` <think> d_e [f]") == r"a `b_c` &lt;think> d\_e \[f\]"
    assert prose(":class:`~rollout.types.Reward`") == "`rollout.types.Reward`"
    assert plain(r"[bold]t2rl x[/] rows \\[{a}]") == "t2rl x rows [{a}]"
    assert code("a`b") == "``a`b``" and code("") == "" and table(("a",), []) == ""


PLACES = {
    "task": ("t.md", ""),
    "stream.max_staleness": ("s.md", "x"),
    "algorithm=dapo": ("p.md", "y"),
    "t2rl rewards check": ("c.md", "z"),
}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("stream.max_staleness", ("s.md", "x")),
        ("stream.max_staleness=0", ("s.md", "x")),
        ("algorithm=dapo", ("p.md", "y")),
        ("t2rl rewards check gsm8k --json", ("c.md", "z")),
        ("algorithm=none", None),
        ("task", None),
        ("task=none", ("t.md", "")),
        ("stream.max", None),
        ("t2rl nothing", None),
    ],
)
def test_code_that_names_something_has_a_place(text: str, place: tuple[str, str] | None) -> None:
    assert place_of(text, PLACES) == place


def test_only_plain_code_becomes_a_link() -> None:
    name = "<code>algorithm=dapo</code>"
    kept = f"<h2>{name}</h2><pre>{name}</pre><a href='x'>{name}</a>"
    html = with_links(f"<p>{name}</p>{kept}", PLACES, lambda page, anchor: f"{page}#{anchor}", own="")
    assert html == f'<p><a href="p.md#y">{name}</a></p>{kept}'
    assert with_links(name, PLACES, lambda page, anchor: "", own="p.md") == name
