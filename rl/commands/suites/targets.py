"""From the words of ``t2rl eval --suite`` to models: directories, runs, hub names, shipped configs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rl.commands.evaluate import config_of, is_override, resolve
from rl.config.hub import HUB_NAME, model_directory
from rl.config.load import load_config
from rl.config.schema import Config
from rl.run.prepare.inputs import locate_model

FACTS = "facts.json"
"""Facts of the model and of what it was asked, beside its counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One model to evaluate, or one that was."""

    label: str
    """In tables; unique among the targets."""
    model: Path | None
    """None where the results are there already."""
    config: Config | None
    out: Path
    """Where its results are, or go."""


def targets_of(words: Sequence[str], *, to: Path | None) -> list[Target]:
    """The models of a command line, in its order.

    Args:
        words: every word with ``=`` (or that begins with ``~``) is an override of all models' settings, every
            other one a model: a directory with config.json, a run, a directory that this command wrote, a
            shipped config (its base), or a name on the Hugging Face hub.
        to: parent of the results; None = in the run, beside a model directory, in ``runs`` for the rest.

    Raises:
        ValueError: a word is none of these, or nothing names a model.
    """
    names = [word for word in words if not is_override(word)]
    settings = [word for word in words if is_override(word)]
    if not names:
        raise ValueError("name at least one model: a directory, a run, a shipped config or a hub name")
    labels = unique_labels(names)
    return [_target(name, label, settings, to) for name, label in zip(names, labels, strict=True)]


def _target(name: str, label: str, settings: list[str], to: Path | None) -> Target:
    path = Path(name).expanduser()
    if (path / FACTS).is_file():
        return Target(label=label, model=None, config=None, out=path)
    if path.is_dir():
        config, model = resolve(path, settings)
        is_run = (path / "attempts.jsonl").is_file()
        parent = path if is_run else path.resolve().parent
        folder = f"eval-{model.resolve().name if is_run else label}"
    else:
        config, model = _named(name, settings)
        parent, folder = Path("runs"), f"eval-{label}"
    out = parent / folder if to is None else to / label
    return Target(label=label, model=model, config=config, out=out)


def _named(name: str, settings: list[str]) -> tuple[Config, Path]:
    if "/" not in name or name.endswith((".yaml", ".yml")):
        model = locate_model(load_config(name, settings))
        return config_of(model, name, settings), model
    if HUB_NAME.fullmatch(name) and not Path(name).parent.is_dir():
        model = model_directory(name, field="MODEL")
        return config_of(model, None, settings), model
    raise ValueError(f"{name}: no such directory; name a model directory, a run or a shipped config")


def unique_labels(names: Sequence[str]) -> list[str]:
    """The last part of each name, with the parts before it where two would be the same."""
    parts = [[p for p in Path(name).parts if p not in ("/", ".", "..")] or [name] for name in names]
    for depth in range(1, max(map(len, parts)) + 1):
        labels = ["-".join(p[-depth:]) for p in parts]
        if len(set(labels)) == len(labels):
            return labels
    raise ValueError(f"a model is named twice: {', '.join(names)}")
