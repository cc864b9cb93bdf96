"""Arguments that several commands share, and what a shell completes them to."""

from pathlib import Path
from typing import Annotated

import typer


def complete_names(incomplete: str) -> list[str]:
    """Shipped configs; a YAML file is completed by the shell's own rule for paths."""
    import configs

    shipped = sorted(path.stem for path in Path(configs.__file__).parent.glob("*.yaml"))
    return [name for name in shipped if name.startswith(incomplete)]


def complete_overrides(incomplete: str) -> list[str]:
    """Groups and fields up to their =; what follows it is the user's."""
    from rl.config.fields import leaf_paths
    from rl.config.schema import Config

    return [f"{path}=" for path in leaf_paths(Config) if path.startswith(incomplete)]


def complete_runs(incomplete: str) -> list[str]:
    """Run directories below what is typed, and those of ./runs before anything is."""
    typed = Path(incomplete or "runs/")
    folder = typed if incomplete.endswith("/") or not incomplete else typed.parent
    if not folder.is_dir():
        return []
    found = sorted(str(path) for path in folder.iterdir() if (path / "config.yaml").is_file())
    return [path for path in found if path.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="A shipped config (t2rl config lists them) or a YAML file.",
        autocompletion=complete_names,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[OVERRIDES]...",
        help=(
            "section.field=value or group=preset; later ones win. ~group takes out the group's preset,"
            " ~section.field a value; what nothing sets has its default."
        ),
        autocompletion=complete_overrides,
    ),
]
Run = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="A run directory.", autocompletion=complete_runs),
]
RunOrJob = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|JOB",
        help="A run directory, or with --address a job of t2rl launch.",
        autocompletion=complete_runs,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Dashboard of the Ray head on which RUN is a job: http://head:8265."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
