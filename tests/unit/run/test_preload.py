"""Libraries of trackers and rollout files are imported ahead; what is missing or broken fails no run."""

import asyncio
import logging
import subprocess
import sys
from types import SimpleNamespace

import pytest

import rl.run.preload as preload
from rl.config.load import load_config
from rl.records.trackers import LIBRARIES, TRACKERS


def test_every_tracker_names_its_library() -> None:
    assert LIBRARIES.keys() == TRACKERS.keys()


def test_what_the_config_asks_for_is_imported_and_no_more() -> None:
    code = (
        "import sys; from rl.config.load import load_config; from rl.run.preload import preload\n"
        "preload(load_config('debug', ['tracker=wandb', 'records.rollouts=none']))\n"
        "print('wandb' in sys.modules, 'mlflow' in sys.modules, 'pyarrow' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["True", "False", "False"]


@pytest.mark.parametrize("error", [ImportError("no such library"), RuntimeError("half installed")])
def test_a_library_that_cannot_be_imported_is_left_to_who_needs_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def refuse(name: str) -> None:
        raise error

    monkeypatch.setattr(preload, "importlib", SimpleNamespace(import_module=refuse))
    config = load_config("debug", ["tracker=wandb", "records.rollouts=none"])

    async def run() -> None:
        with caplog.at_level(logging.INFO):
            await asyncio.wait([preload.begin_preload(config)])
            await asyncio.sleep(0)

    asyncio.run(run())
    assert ("half installed" in caplog.text) == isinstance(error, RuntimeError)
