"""Arguments that several commands share."""

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped config (t2rl config lists them) or a YAML file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[OVERRIDES]...", help="section.field=value or group=preset; later ones win."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
