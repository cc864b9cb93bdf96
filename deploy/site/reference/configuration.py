"""The configuration reference: every field of every section, from the schema that checks a config."""

from collections.abc import Iterator
from functools import cache

from pydantic import BaseModel

from deploy.site.reference.words import code, prose, table
from rl.config.base import Section
from rl.config.choice import OWN_CODE_FORM, Choice, OwnCode, names_of
from rl.config.compose import config_groups
from rl.config.explain import Explained, explain
from rl.config.fields import choices_at, sections_at
from rl.config.roots import ROOTS

FOLDER = "reference/config"
_INTRO = """# Configuration

Every field that a config can set, as the program's own schema has it. A field is `section.field=value` on
the command line, and nested keys in YAML. `t2rl config --explain SECTION` prints the same in a terminal,
`t2rl config NAME` a whole config. [Presets](../presets.md) set many fields at once. An unknown field is an
error that offers the nearest name, and limits are checked before anything starts."""


def anchor(path: str) -> str:
    """The anchor of a field on its page."""
    return path.replace(".", "-")


def page_of(path: str, root: str = "train") -> str:
    """The page that explains a field; what sft and dpo have in common with train is explained there."""
    section = path.partition(".")[0]
    own = root != "train" and section not in _shared(root)
    return f"{FOLDER}/{root}.md" if own else f"{FOLDER}/{section}.md"


def field_places() -> dict[str, tuple[str, str]]:
    """{field or section: (page, anchor)} of everything that can be set."""
    places: dict[str, tuple[str, str]] = {}
    for root in ROOTS:
        for item in _items(root):
            places.setdefault(item.path, (page_of(item.path, root), anchor(item.path)))
    return places


def pages() -> dict[str, str]:
    """{page: Markdown}: the index, a page for each section of a run, and one each for what only SFT and DPO
    have."""
    sections = list(ROOTS["train"].model_fields)
    made = {f"{FOLDER}/{section}.md": _section_page(section) for section in sections}
    for root in ("sft", "dpo"):
        fields = [name for name in ROOTS[root].model_fields if name not in _shared(root)]
        body = "\n".join(part for name in fields for part in _parts(root, name))
        made[f"{FOLDER}/{root}.md"] = f"# `t2rl {root}`\n\n{prose(_doc(ROOTS[root]))}\n\n{body}"
    return {f"{FOLDER}/index.md": _index(sections), **made}


def _shared(root: str) -> set[str]:
    """Sections that a command's config has in common with a run's, type and all."""
    train, own = ROOTS["train"].model_fields, ROOTS[root].model_fields
    return {name for name in own if name in train and own[name].annotation == train[name].annotation}


def _index(sections: list[str]) -> str:
    rows = []
    for section in sections:
        first, *_ = _in_section("train", section)
        rows.append((f"[{code(section)}]({section}.md)", prose(first.text)))
    only = [(f"[{code(f't2rl {root}')}]({root}.md)", prose(_doc(ROOTS[root]))) for root in ("sft", "dpo")]
    fields = [
        (
            f"[{code(item.path)}]({page_of(item.path).removeprefix(f'{FOLDER}/')}#{anchor(item.path)})",
            _kind(item),
            _default(item),
        )
        for item in _items("train")
        if not item.kind.startswith("section")
    ]
    return "\n".join(
        [
            _INTRO,
            table(("section", "what it is for"), [*rows, *only]),
            "## All fields\n",
            table(("field", "type", "default"), _once(fields)),
        ]
    )


def _once(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """The first row of each field: kinds of a section share some."""
    return list({row[0]: row for row in reversed(rows)}.values())[::-1]


@cache
def _items(root: str) -> list[Explained]:
    return explain(ROOTS[root], "")


def _in_section(root: str, section: str) -> list[Explained]:
    return [item for item in _items(root) if item.path.partition(".")[0] == section]


def _section_page(section: str) -> str:
    return f"# Configuration: `{section}`\n\n" + "\n".join(_parts("train", section))


def _parts(root: str, section: str) -> Iterator[str]:
    """The Markdown of a section's rows. A path that several kinds of a section have keeps its anchor at the
    first."""
    seen: set[str] = set()
    kind = ""
    for item in _in_section(root, section):
        if item.kind.startswith("section"):
            kind = item.kind.partition(".kind=")[2]
            yield from _head(item, kind, first=item.path not in seen, top=item.path == section)
        elif item.path not in seen or not item.path.endswith(".kind"):  # the heading says the kind
            id_ = anchor(item.path) if item.path not in seen else f"{anchor(item.path)}-{kind}"
            yield from _field(ROOTS[root], item, id_)
        seen.add(item.path)


def _head(item: Explained, kind: str, *, first: bool, top: bool) -> Iterator[str]:
    """A section's own heading and its presets; the page's title stands for the section that it is about."""
    if kind:
        yield f"## `{item.path}.kind={kind}` {{ #{anchor(item.path)}-kind-{kind} }}\n"
    elif not top:
        yield f"## `{item.path}` {{ #{anchor(item.path)} }}\n"
    if first and (kind or top):
        yield f'<a id="{anchor(item.path)}"></a>\n'
    yield f"{prose(item.text)}{' Off unless set.' if item.default == 'null' else ''}\n"
    if first and item.choices:
        group = config_groups().get(item.path, set())
        links = [
            f"[{code(f'{item.path}={name}')}](../presets.md#{item.path}-{name})" for name in sorted(group)
        ]
        yield f"Presets: {', '.join(links)}.\n"


def _field(root: type[BaseModel], item: Explained, id_: str) -> Iterator[str]:
    options = choices_at(root, item.path.split("."))
    yield f"### `{item.path}` {{ #{id_} }}\n"
    yield f"{_kind(item)} · {_default(item)}{_notes(root, item)}\n{{ .field }}\n"
    yield f"{prose(_own_text(item, options))}\n"
    if options:
        yield _options_table(options)
    if item.choices:
        names = ", ".join(code(name) for name in item.choices)
        yield f"Names: {names}, or your own, {code(OWN_CODE_FORM)}.\n"


def _own_text(item: Explained, options: list[type[Choice]]) -> str:
    """The field's docstring without what ``explain`` adds of each choice, which the table says."""
    named = [names_of(kind) for kind in options if names_of(kind)]
    return item.text.partition(f"{' | '.join(named[0])}: ")[0].strip() if named else item.text


def _options_table(options: list[type[Choice]]) -> str:
    rows = []
    for kind in options:
        names = (OWN_CODE_FORM,) if issubclass(kind, OwnCode) else names_of(kind)
        reads = [code(name) for name in kind.model_fields if name != "name"]
        rows.append((", ".join(map(code, names)), prose(_doc(kind)), ", ".join(reads) or "nothing"))
    return table(("choice", "what it does", "reads"), rows)


def _kind(item: Explained) -> str:
    return prose(item.kind)


def _default(item: Explained) -> str:
    return "**required**" if item.default == "required" else f"default {code(item.default)}"


def _notes(root: type[BaseModel], item: Explained) -> str:
    """Which choices read it, and whether it is a limit, which a printed config leaves out."""
    notes = f" · with {', '.join(map(code, item.read_by))}" if item.read_by else ""
    *parents, name = item.path.split(".")
    owners = [owner for owner in sections_at(root, parents) if issubclass(owner, Section)]
    limit = any(name in owner.LIMITS for owner in owners)
    return notes + (" · a limit: printed only where it is set" if limit else "")


def _doc(section: type[BaseModel]) -> str:
    return " ".join((section.__doc__ or "").split())
