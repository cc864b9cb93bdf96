"""``t2rl watch``."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.arguments import AsJson
from rl.cli.exits import exit_codes
from rl.cli.listen import LOOPBACK, token_for

EPILOG = """
Examples:

[bold]t2rl watch runs/quickstart[/]   a page on this machine, while the run trains or afterwards

[bold]t2rl watch runs[/]   the same for every run in the directory, new ones included

[bold]t2rl watch runs/quickstart --terminal[/]   in the terminal, also over ssh

[bold]t2rl watch runs/quickstart --terminal | tee steps.txt[/]   one line a step

[bold]t2rl watch runs/quickstart --host 0.0.0.0[/]   open to others, who need the token that is printed

On another machine, without opening a port: [bold]ssh -L 8800:localhost:8800 HOST[/], then
http://localhost:8800. Run files are only read; docs/watch.md.
"""
Run = Annotated[Path, typer.Argument(metavar="RUN|DIR", help="A run directory, or a directory of runs.")]
Terminal = Annotated[
    bool, typer.Option("--terminal", help="Show the run here; where that cannot be, one line a step.")
]
Once = Annotated[bool, typer.Option("--once", help="Print the terminal's view once and leave.")]
Host = Annotated[str, typer.Option(help="Address to listen on; any but this machine's own needs a token.")]
Port = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port; 0 takes any free one.  [default: 8800, or the next that is free]"
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(help="File with the token that the page asks for; default: a new one where one is needed."),
]
Open = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in this machine's browser.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch", epilog=EPILOG)(watch)


def watch(
    run: Run,
    terminal: Terminal = False,
    once: Once = False,
    as_json: AsJson = False,
    host: Host = "127.0.0.1",
    port: Port = None,
    token_file: TokenFile = None,
    open_page: Open = False,
) -> None:
    """Watch a run: its state, what each loop waits for, figures, samples and advice as they come."""
    with exit_codes():
        from rl.watch.command import WatchOptions, new_token, print_state, serve_page, show_in_terminal

        if as_json:
            print_state(run)
        elif terminal or once:
            show_in_terminal(run, once=once)
        else:
            others = token_file is None and host not in LOOPBACK
            token = new_token() if others else token_for(host, token_file)
            serve_page(run, WatchOptions(host=host, port=port, token=token, open=open_page))
