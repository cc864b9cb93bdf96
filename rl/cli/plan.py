"""``t2rl plan``: what to spend test-time compute on. One file a subcommand, registered here."""

import typer

from rl.cli import plan_bases, plan_cascade, plan_evals, plan_post, plan_queries, plan_serve


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Plan test-time compute.")
    plan_bases.register(group)
    plan_cascade.register(group)
    plan_evals.register(group)
    plan_post.register(group)
    plan_queries.register(group)
    plan_serve.register(group)
    app.add_typer(group, name="plan")
