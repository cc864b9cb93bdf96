"""A slice of the chaos benchmark: one run, a fixed seed, once each the kinds of faults that no drill has."""

import json
import os
import signal
import subprocess
import sys

import pytest

from benchmarks.reliability.faults import KINDS

SLICE = (
    "engine stopped",
    "sandbox supervisor killed",
    "raylet killed",
    "GCS killed",
    "disk read-only",
    "clock jumps forward",
    "checkpoint file corrupt",
)
STEPS, PROMPTS = 120, 4
"""Enough for all of them in one run; a second one takes longer, and says the same."""
SMALL = (
    *(f"stream.prompts_per_step={PROMPTS}", "stream.rollouts_per_prompt=4", "rollout.max_num_seqs=64"),
    *("rollout.kv_cache_mib=32", "evaluation.num_prompts=8", "evaluation.samples_per_prompt=2"),
    "checkpoint.every=3",
)


@pytest.mark.skipif(os.getuid() != 0, reason="chaos needs namespaces and a disk of its own: root")
def test_nothing_is_lost_doubled_or_left_by_seven_kinds_of_faults(tmp_path, cache):
    assert {kind.name for kind in KINDS} >= set(SLICE)
    command = [
        *(sys.executable, "-m", "benchmarks.reliability.chaos", "--config", "debug", "--seed", "3"),
        *("--faults", str(len(SLICE)), "--undisturbed", "0", "--minutes", "12", "--steps", str(STEPS)),
        *("--backends", "inprocess", "--prompts", str(PROMPTS), "--max-tokens", "16"),
        *("--work", str(tmp_path / "work"), "--json", str(tmp_path / "chaos.json")),
        *("--kinds", *SLICE, "--set", *SMALL),
    ]
    with (tmp_path / "words.txt").open("wb") as words:
        process = subprocess.Popen(
            command, stdout=words, stderr=words, env={**os.environ, "T2RL_CACHE": str(cache)}
        )
    try:
        code = process.wait(900)
    finally:
        process.send_signal(signal.SIGKILL)
    said = (tmp_path / "words.txt").read_text(errors="replace")
    if code and "chaos needs" in said:
        pytest.skip(said.strip().splitlines()[-1])
    assert code == 0, said
    chaos = json.loads((tmp_path / "chaos.json").read_text())["chaos"]
    assert len(set(SLICE) - chaos["recover_s"].keys()) <= 2, "kinds that this machine cannot do are left out"
    assert (chaos["groups_lost_or_doubled"], chaos["leftovers"], chaos["stuck"]) == (0, 0, 0), chaos
    assert chaos["staleness_max"] <= 1 and chaos["groups_planned"] == chaos["runs"] * STEPS * PROMPTS
