"""The reference of the command line, from the program's own parser: commands, options, examples."""

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from deploy.site.reference.words import code, plain, prose, table
from rl.cli import app
from rl.cli.exits import exit_codes
from rl.config import exit_codes as codes

FOLDER = "reference/cli"
_OF_THE_SHELL = {"install_completion", "show_completion"}
_TYPES = {
    "<str>": "TEXT",
    "<path>": "PATH",
    "<int>": "NUMBER",
    "<int range>": "NUMBER",
    "<float>": "NUMBER",
    "<float range>": "NUMBER",
}
"""A type as the parser calls it -> as a reader does."""
_EXAMPLE = re.compile(r"^\[bold\](.+?)\[/\]\s*(.*)$", re.S)


def pages() -> dict[str, str]:
    """{page: Markdown}: the index, and a page for each command or group of commands."""
    program: Any = get_command(app)
    made = {f"{FOLDER}/{name}.md": "\n".join(_page(name, command)) for name, command in _shown(program)}
    return {f"{FOLDER}/index.md": _index(program), **made}


def command_places() -> dict[str, tuple[str, str]]:
    """{``t2rl command``: (page, anchor)}, of commands within groups too."""
    places: dict[str, tuple[str, str]] = {}
    for name, command in _shown(get_command(app)):
        places[f"t2rl {name}"] = (f"{FOLDER}/{name}.md", "")
        for inner, _ in _shown(command):
            places[f"t2rl {name} {inner}"] = (f"{FOLDER}/{name}.md", f"{name}-{inner}")
    return places


def _shown(group: Any) -> list[tuple[str, Any]]:
    """(name, command) of what a group's help lists."""
    commands = getattr(group, "commands", {})
    return [(name, command) for name, command in commands.items() if not command.hidden]


def _index(program: Any) -> str:
    rows = []
    for name, command in _shown(program):
        rows.append((f"[{code(f't2rl {name}')}]({name}.md)", prose(_first_sentence(command))))
        rows += [
            (f"[{code(f't2rl {name} {inner}')}]({name}.md#{name}-{inner})", prose(_first_sentence(one)))
            for inner, one in _shown(command)
        ]
    exits = [
        ("0", "done"),
        (str(codes.FAILED), "failed; a check that was broken"),
        (str(codes.USER_INPUT), "your input: a short message that names the field and the fix"),
        (str(codes.INTERRUPTED), "interrupted (Ctrl-C)"),
    ]
    return "\n".join(
        [
            "# Command line\n",
            f"{prose(_help(program))}\n",
            f"{_epilog(program)}",
            table(("command", "what it does"), rows),
            "## Options of every command { #options }\n",
            _options(program),
            "## Exit codes { #exit-codes }\n",
            table(("code", "means"), exits),
            prose(
                " ".join((exit_codes.__doc__ or "").split()).removeprefix("Every command runs inside this. ")
            ),
        ]
    )


def _page(name: str, command: Any) -> Iterator[str]:
    yield f"# `t2rl {name}`\n"
    inner = _shown(command)
    yield from _one(f"t2rl {name}", command)
    for sub, one in inner:
        yield f"## `t2rl {name} {sub}` {{ #{name}-{sub} }}\n"
        yield from _one(f"t2rl {name} {sub}", one)


def _one(path: str, command: Any) -> Iterator[str]:
    yield f"{_help_as_markdown(command)}\n"
    if _shown(command):
        rows = [
            (f"[{code(f'{path} {name}')}](#{path.split()[-1]}-{name})", prose(_first_sentence(one)))
            for name, one in _shown(command)
        ]
        yield table(("command", "what it does"), rows)
        return
    yield f"```text\n{path} {_usage(command)}\n```\n"
    yield _options(command)
    yield _epilog(command)


def _usage(command: Any) -> str:
    """Options and arguments as one would write them; brackets mean that it may be left out."""
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    names = [(str(param.metavar or param.name.upper()), param.required) for param in arguments]
    return " ".join(["[OPTIONS]", *(n if needed or n.startswith("[") else f"[{n}]" for n, needed in names)])


def _options(command: Any) -> str:
    context = command.make_context(command.name, [], resilient_parsing=True)
    rows = []
    for param in command.params:
        record = None if param.name in _OF_THE_SHELL else param.get_help_record(context)
        if record is not None:
            help_ = prose(plain(" ".join((param.help or "").split())))
            rows.append((_name(param, record[0]), _default(param), help_))
    return table(("argument or option", "default", "meaning"), rows)


def _name(param: Any, shown: str) -> str:
    """An argument by its name, an option by all of its names and what it takes."""
    if param.param_type_name == "argument":
        return code(re.sub(r" <.*>$", "", shown))
    takes = re.search(r"(?:^|, )--?\S+ (.+)$", shown)
    names = ", ".join(code(name) for name in (*param.opts, *param.secondary_opts))
    limits = [f"≥ {param.min:g}"] if param.min is not None else []
    limits += [f"≤ {param.max:g}"] if param.max is not None else []
    what = [code(_TYPES.get(takes[1], takes[1]))] if takes else []
    return " ".join([names, *what, *limits])


def _default(param: Any) -> str:
    if param.required:
        return "**required**"
    if param.default in (None, False, ()) or callable(param.default):
        return ""
    return code(str(param.default))


def _help(command: Any) -> str:
    return plain(command.help or command.short_help or "")


def _help_as_markdown(command: Any) -> str:
    """The help's paragraphs; indented lines are kept as they stand."""
    paragraphs = []
    for paragraph in _help(command).split("\n\n"):
        indented = all(line.startswith("  ") for line in paragraph.split("\n"))
        paragraphs.append(
            f"```text\n{paragraph}\n```" if indented and paragraph.strip() else prose(paragraph)
        )
    return "\n\n".join(paragraphs)


def _first_sentence(command: Any) -> str:
    text = " ".join(_help(command).split())
    return re.split(r"(?<=[.])\s", text, maxsplit=1)[0]


def _epilog(command: Any) -> str:
    """Examples as one block of commands with their comments above them; other paragraphs as text."""
    parts: list[str] = []
    examples: list[str] = []
    for paragraph in (command.epilog or "").split("\n\n"):
        match = _EXAMPLE.match(paragraph.strip())
        if match and match[1].startswith("t2rl") and "[bold]" not in match[2]:
            comment = " ".join(plain(match[2]).split())
            examples.append((f"# {comment}\n" if comment else "") + plain(match[1]))
        elif paragraph.strip() and paragraph.strip() != "Examples:":
            parts.append(prose(" ".join(plain(paragraph).split())))
    if examples:
        parts.append("```bash\n" + "\n".join(examples) + "\n```")
    return "\n\n".join(parts) + "\n"
