"""Put a run's model, its card, its config and its curves into a directory, and upload that."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from rl.commands.export import export_checkpoint, run_config
from rl.commands.push.card import CONFIG, CURVES, model_card
from rl.commands.push.curves import draw_curves
from rl.commands.push.facts import public_config, read_facts
from rl.evaluation.summary import to_json
from rl.records.storage import StorageError, StorageErrors, require_writable
from rl.run.base_files import replaced
from rl.views.run_view import RunView

CLIENT_ERROR: type[Exception] = cast(type[Exception], HfHubHTTPError.__bases__[0])
"""The HTTP client under ``huggingface_hub`` raises it; which client that is changes with its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """One model on its way."""

    directory: Path
    step: int
    licence: str | None


def assemble(run: Path, *, to: Path, step: str | None, licence: str | None, repo: str | None) -> Pushed:
    """Write everything that a push uploads into ``to``, at once or not at all.

    Args:
        run: a run directory of ``t2rl train``, ``sft`` or ``dpo``.
        to: a new or empty directory.
        step: optimizer steps, ``best``, or None for what the run ended with (its newest checkpoint where it
            did not end).
        licence: a Hub licence id; None takes the base's, where its card names one.
        repo: name that the card tells readers to load.

    Raises:
        ValueError: no run, no model or checkpoint, or ``to`` holds something.
    """
    view = RunView(run)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ValueError(f"--to {to}: is there already and not empty; name a new directory")
    require_writable(to.parent, field="--to")
    config = run_config(view.files.config)
    licence = licence or _licence_of(view.files.base)
    with StorageErrors(to.parent), replaced(to) as staging:
        steps = _model(view, step, staging)
        facts = read_facts(view, config, step=steps)
        curves = draw_curves(view, staging / CURVES)
        (staging / CONFIG).write_text(public_config(view.config()), encoding="utf-8")
        if facts.summary is not None:
            lines = json.dumps(to_json(facts.summary), indent=2)
            (staging / "evaluation.json").write_text(lines + "\n", encoding="utf-8")
        model_card(facts, repo=repo, licence=licence, curves=curves).save(staging / "README.md")
    return Pushed(directory=to, step=steps, licence=licence)


def upload(pushed: Pushed, repo: str, *, private: bool, message: str) -> str:
    """Create the repository if it is not there, and upload; returns its address.

    Raises:
        ValueError: not logged in, or the Hub refuses the name or the rights.
        StorageError: the Hub cannot be reached, or failed.
    """
    api = HfApi()
    try:
        address = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(repo_id=address.repo_id, folder_path=pushed.directory, commit_message=message)
    except LocalTokenNotFoundError as error:
        raise ValueError(f"not logged in to the Hub ({error}); run hf auth login, or set HF_TOKEN") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        said = f"the Hub answered {status} for {repo}: {error.server_message or error}"
        if status in (401, 403):
            raise ValueError(f"{said}; run hf auth login, with a token that may write there") from error
        if status < 500:
            raise ValueError(said) from error
        raise StorageError(f"{said}; try again later") from error
    except CLIENT_ERROR as error:
        raise StorageError(
            f"the Hub cannot be reached ({type(error).__name__}: {error}); --to DIR writes all of it instead"
        ) from error
    return str(address)


def _model(view: RunView, step: str | None, to: Path) -> int:
    """Put the model's files into ``to``; returns its steps."""
    ended = view.path / "model"
    if step is None and (ended / "config.json").is_file():
        shutil.copytree(ended, to, dirs_exist_ok=True)
        return view.steps_done
    steps, _ = export_checkpoint(view.path, step=step, to=to)
    return steps


def _licence_of(base: Path) -> str | None:
    """The licence that the base's own card names."""
    card = base / "README.md"
    found = ModelCard.load(card).data.get("license") if card.is_file() else None
    return None if found is None else str(found)
