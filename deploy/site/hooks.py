"""MkDocs' hooks: the navigation, the generated pages, and links as a Git host reads them.

MkDocs is run as ``python -m mkdocs`` in the root, so that this file finds its neighbours.
"""

import logging
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from deploy.site import check
from deploy.site.gfm import for_mkdocs, slug
from deploy.site.nav import PROJECT, navigation, with_references
from deploy.site.reference import api, commands, configuration, presets, registries
from deploy.site.repository import DOCS, FILES, BrokenLink, for_site, linked_files
from deploy.site.see_also import with_links

ASSETS = Path(__file__).parent / "assets"
log = logging.getLogger("mkdocs.hooks.site")


@cache
def generated() -> dict[str, str]:
    """{page: Markdown} of every reference."""
    return {
        page: text
        for part in (configuration, presets, commands, registries, api)
        for page, text in part.pages().items()
    }


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set what a YAML file cannot say: the navigation and the anchors of headings."""
    config.mdx_configs["toc"]["slugify"] = slug
    try:
        config.nav = navigation(DOCS, _reference())
    except BrokenLink as error:
        raise PluginError(str(error)) from error
    return config


REFERENCES = [
    ("Configuration", f"{configuration.FOLDER}/index.md", "every field, with type, limits and default."),
    ("Presets", presets.PAGE, "every preset, and what it sets."),
    ("Command line", f"{commands.FOLDER}/index.md", "every command, with options and examples."),
    ("Algorithms", registries.ALGORITHMS_PAGE, "their parts side by side."),
    ("Curriculum parts", registries.CURRICULA_PAGE, "every part, with its arguments."),
    ("Rewards, by name", registries.REWARDS_PAGE, "every reward, with its parameters."),
    ("API", f"{api.FOLDER}/index.md", "what code of yours may import."),
]
"""(title, page, about) of what is generated, in the order of the navigation."""


def _reference() -> list[Any]:
    """The generated part of the section Reference: a page, or the pages of a folder, its index first."""
    entries: list[Any] = []
    for title, first, _ in REFERENCES:
        folder = first.removesuffix("index.md")
        inside = [page for page in generated() if page.startswith(folder) and page != first]
        pages = [first, *({_stem(page): page} for page in inside)]
        entries.append({title: pages if first.endswith("/index.md") else first})
    return entries


def _stem(page: str) -> str:
    command = page.startswith(f"{commands.FOLDER}/")
    return f"t2rl {Path(page).stem}" if command else Path(page).stem


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the references, a page for each file of the repository that is linked, and our own assets."""
    written = [file.src_uri for file in files if file.is_documentation_page()]
    try:
        linked = linked_files(written, also=(*PROJECT.values(), "examples"))
    except BrokenLink as error:
        raise PluginError(str(error)) from error
    in_nav = _pages_of(config.nav)
    for page, text in {**linked, **generated()}.items():
        level = (
            InclusionLevel.INCLUDED if page in in_nav or page in generated() else InclusionLevel.NOT_IN_NAV
        )
        files.append(
            File.generated(
                config, page, content=_unsearched(text) if page in linked else text, inclusion=level
            )
        )
    for asset in ASSETS.iterdir():
        files.append(File.generated(config, f"assets/{asset.name}", abs_src_path=str(asset)))
    return files


def _unsearched(text: str) -> str:
    return f"---\nsearch:\n  exclude: true\n---\n{text}"


def _pages_of(nav: Any) -> set[str]:
    """Every page that a navigation names."""
    if isinstance(nav, str):
        return {nav}
    entries = nav.values() if isinstance(nav, dict) else nav
    return {page for entry in entries for page in _pages_of(entry)}


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn a page as a Git host reads it into one as MkDocs does."""
    source = page.file.src_uri
    if source in generated():
        return markdown
    if "```mermaid" in markdown and not source.startswith(FILES):
        log.warning(
            "%s: has a mermaid diagram, whose renderer would be fetched from another host: use an SVG", source
        )
    try:
        ours = for_site(markdown, source)
    except BrokenLink as error:
        log.warning("%s", error)
        ours = markdown
    return for_mkdocs(with_references(ours, REFERENCES) if source == "README.md" else ours)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Link code that names a field, a preset or a command to its place in the reference."""

    def url(target: str, anchor: str) -> str:
        file = files.get_file_from_path(target)
        assert file is not None, target
        return get_relative_url(file.url, page.url) + (f"#{anchor}" if anchor else "")

    return with_links(html, _places(), url, own=page.file.src_uri)


@cache
def _places() -> dict[str, tuple[str, str]]:
    return {**configuration.field_places(), **presets.preset_places(), **commands.command_places()}


def on_post_build(*, config: MkDocsConfig) -> None:
    """Check the finished site: links, anchors, pictures, and that it asks nothing of other hosts."""
    for fault in check.faults(Path(config.site_dir)):
        log.warning("%s", fault)
