"""``dtype: auto`` and the note about a format that this CPU has no instruction for."""

from pathlib import Path

import pytest

import rl.config.number_format as number_format
from rl.config.load import load_config
from rl.config.number_format import bfloat16_is_fast
from rl.run.prepare.preflight import slow_formats

FLAGS = {
    "zen4": "flags : avx2 avx512f avx512_bf16",
    "sapphire": "flags : avx512f amx_bf16",
    "arm": "Features : asimd bf16",
    "zen3": "flags : avx2 fma",
}


@pytest.fixture
def cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(FLAGS[request.param])
    monkeypatch.setattr(number_format, "CPUINFO", cpuinfo)


@pytest.mark.parametrize(
    ("name", "fast"), [("zen4", True), ("sapphire", True), ("arm", True), ("zen3", False)]
)
def test_which_cpus_multiply_bfloat16(name: str, fast: bool, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(FLAGS[name])
    assert bfloat16_is_fast("cpu", cpuinfo=cpuinfo) is fast


def test_a_machine_that_does_not_say_is_not_fast_and_a_gpu_is(tmp_path: Path) -> None:
    assert not bfloat16_is_fast("cpu", cpuinfo=tmp_path / "none")
    assert bfloat16_is_fast("cuda", cpuinfo=tmp_path / "none")


@pytest.mark.parametrize(
    ("cpu", "engine", "learner"),
    [("zen4", "bfloat16", "autocast"), ("zen3", "float32", "float32")],
    indirect=["cpu"],
)
def test_auto_is_decided_when_the_config_is_read(cpu: None, engine: str, learner: str) -> None:
    config = load_config("smollm2")
    assert (config.rollout.dtype, config.learner.dtype) == (engine, learner)
    saved = config.model_dump(mode="json")
    assert (saved["rollout"]["dtype"], saved["learner"]["dtype"]) == (engine, learner)


@pytest.mark.parametrize("cpu", ["zen3"], indirect=True)
def test_a_slow_format_that_was_asked_for_is_told(cpu: None) -> None:
    asked = load_config("quickstart", ["rollout.dtype=bfloat16", "learner.dtype=autocast"])
    (note,) = slow_formats(asked)
    assert note.startswith("rollout.dtype=bfloat16 and learner.dtype=autocast")
    assert slow_formats(load_config("quickstart")) == []


@pytest.mark.parametrize("cpu", ["zen4"], indirect=True)
def test_a_fast_format_is_not_told(cpu: None) -> None:
    assert slow_formats(load_config("smollm2")) == []
