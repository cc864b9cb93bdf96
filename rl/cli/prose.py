"""Help texts as the terminal should break them: source lines are 110 columns, terminals are not."""

import inspect

import typer


def joined(text: str) -> str:
    """The text with each paragraph on one line, so that the terminal's width alone breaks it.

    A paragraph ends at a blank line. A line that is indented stays a line of its own.
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(_one_line(paragraph) for paragraph in paragraphs)


def _one_line(paragraph: str) -> str:
    lines: list[str] = []
    for line in paragraph.strip("\n").split("\n"):
        if lines and not line.startswith(" "):
            gap = "   " if lines[-1].endswith("[/]") else " "
            lines[-1] += gap + line
        else:
            lines.append(line)
    return "\n".join(lines)


def join_help(app: typer.Typer) -> None:
    """Rewrite the help and the epilog of every command of ``app`` and of its groups."""
    for command in app.registered_commands:
        callback = command.callback
        command.help = joined(command.help or inspect.getdoc(callback) or "") if callback else command.help
        command.epilog = joined(command.epilog) if command.epilog else None
    for group in app.registered_groups:
        if group.typer_instance is not None:
            join_help(group.typer_instance)
