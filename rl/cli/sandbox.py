"""``t2rl sandbox``: run the sandbox as a service."""

from pathlib import Path
from typing import Annotated

import typer

from rl.cli.exits import exit_codes
from rl.cli.listen import token_for
from rl.config.exit_codes import FAILED

SERVE = """
Examples:

[bold]t2rl sandbox serve[/]   on 127.0.0.1:8091, as many workers as CPUs

[bold]t2rl sandbox serve --host 0.0.0.0 --token-file token.txt --workers 32[/]
for other hosts; the token is needed then

Rewards use it with [bold]sandbox=http://host:8091[/]. Health: GET /health. The traffic is not encrypted:
keep it inside a cluster.
"""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(
        no_args_is_help=True, help="Run programs that a model wrote, isolated, for other hosts."
    )
    group.callback()(_group)
    group.command("serve", epilog=SERVE)(serve)
    app.add_typer(group, name="sandbox")


def _group() -> None:
    """Keeps ``serve`` a subcommand while it is the only one."""


def serve(
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8091, min=0, max=65535, help="Port; 0 takes a free one and logs it."),
    workers: int = typer.Option(
        None, min=1, help="Programs that run at once; default: the CPUs. Four times as many may wait."
    ),
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that callers must send.")
    ] = None,
    max_body_mib: int = typer.Option(64, min=1, help="Largest request."),
) -> None:
    """Serve this machine's sandbox over HTTP until interrupted."""
    with exit_codes():
        token = token_for(host, token_file)
        from rewards.sandbox.base import SandboxError

        try:
            _serve(host, port, workers, token, max_body_mib)
        except SandboxError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(FAILED) from error


def _serve(host: str, port: int, workers: int | None, token: str | None, max_body_mib: int) -> None:
    import os

    import uvicorn

    from rewards.sandbox.local import LocalSandbox
    from rewards.sandbox.server import SandboxService
    from rl.commands.callers import for_callers
    from rl.commands.connections import SERVER

    places = workers or len(os.sched_getaffinity(0))
    with LocalSandbox(parallel=places) as sandbox:
        service = SandboxService(sandbox, workers=places, token=token, max_body_mib=max_body_mib)
        app = for_callers(service.app, token)
        uvicorn.run(app, host=host, port=port, log_level="info", **SERVER)
