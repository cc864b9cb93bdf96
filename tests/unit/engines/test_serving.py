"""Engines and scorer come up together and always go down together."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from rl.config.schema import Config
from rl.engines.serving import sampling_service

CONFIG = Config.model_validate({"task": {"kind": "reasoning_gym"}, "model": {"kind": "recipe"}})


class Part:
    """Engines or a scorer: notes what happens to it, and may fail to start."""

    confirmed_version = 3

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.noted: list[str] = []

    async def start(self) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise RuntimeError("no memory")
        self.noted.append("started")

    async def stop(self) -> None:
        self.noted.append("stopped")

    close = stop


def service(engines: Part, scorer: Part, trace: Path) -> Any:
    return sampling_service(
        CONFIG,
        engines,
        scorer,
        decode=lambda batch: ["" for _ in batch],
        trace=trace,
    )


def test_both_serve_inside_and_are_gone_afterwards_whatever_happened(tmp_path: Path) -> None:
    async def fails_inside(engines: Part, scorer: Part) -> None:
        async with service(engines, scorer, tmp_path / "trace.json"):
            assert engines.noted == scorer.noted == ["started"]
            raise KeyError("inside")

    engines, scorer = Part(), Part()
    with pytest.raises(KeyError, match="inside"):
        asyncio.run(fails_inside(engines, scorer))
    assert engines.noted == scorer.noted == ["started", "stopped"]
    assert json.loads((tmp_path / "trace.json").read_text()) is not None, "the trace was closed"


def test_a_start_that_fails_stops_what_had_started(tmp_path: Path) -> None:
    async def never_inside(engines: Part, scorer: Part) -> None:
        async with service(engines, scorer, tmp_path / "trace.json"):
            raise AssertionError("nothing may be sampled")

    for broken in (True, False):
        engines, scorer = Part(broken=broken), Part(broken=not broken)
        with pytest.raises(RuntimeError, match="no memory"):
            asyncio.run(never_inside(engines, scorer))
        assert engines.noted[-1] == scorer.noted[-1] == "stopped"
