"""Three runs in which something goes wrong, and what they advise (docs/advice.md).

::

    python -m benchmarks.advice gamed --to DIR     a reward that anything in the answer's place satisfies
    python -m benchmarks.advice stalled --to DIR   an engine stopped by a signal in the middle of the run
    python -m benchmarks.advice starved --to DIR   two engines, little to sample, and a slow learner

Each prints its advice in order. Real processes, real signals; about a minute each on two cores.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from rl.records.jsonl import read_jsonl

HERE = Path(__file__).parent
PATIENCE_S = 600.0
"""Longest wait for a step or for the advice."""
SMALL = ["tracker=none", "evaluation.num_prompts=100", "evaluation.samples_per_prompt=4"]
SMALL += [
    "evaluation.greedy=false",
    "evaluation.extra_temperatures=[]",
    "evaluation.bootstrap=200",
    "evaluation.ks=[1,2]",
]
ARMS: dict[str, list[str]] = {
    "gamed": [
        "run.steps=50",
        "evaluation.every=10",
        "stream.prompts_per_step=16",
        "~task",
        f"task={{kind: file, name: sums, reward: '{HERE / 'gamed.py'}:any_box', reference_check_s: 0}}",
    ],
    "stalled": ["run.steps=16", "evaluation.every=0", "stream.prompts_per_step=8", *SMALL],
    "starved": [
        "run.steps=12",
        "evaluation.every=0",
        "rollout.num_engines=2",
        "rollout.max_tokens=12",
        "stream.prompts_per_step=32",
        "stream.rollouts_per_prompt=8",
        "learner.updates_per_batch=32",
        "learner.micro_batch_tokens=24",
        "learner.gradient_checkpointing=true",
        "algorithm.kl.coefficient=0.01",
    ],
}
"""Overrides of the quickstart."""


def write_rows(directory: Path) -> list[str]:
    """The quickstart's own problems as a file task; held-out rows say that they are."""
    from rl.config.load import load_config
    from rl.run.prepare.inputs import locate_model
    from rl.run.prepare.preflight import load_tokenizer
    from rl.tasks import build_task
    from rl.tasks.rg_cells import Split

    config = load_config("quickstart")
    tokenizer = load_tokenizer(locate_model(config), trust=False)
    task = build_task(config.task, tokenizer, max_model_len=config.rollout.max_model_len, max_tokens=64)
    sizes: dict[Split, int] = {"train": 2000, "test": 400}
    for split, number in sizes.items():
        rows = [
            {
                "prompt": prompt.text,
                "answer": prompt.answer,
                "category": prompt.category,
                "metadata": {"held_out": split == "test"},
            }
            for prompt in task.load(split, number)
        ]
        path = directory / f"{split}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return [f"task.train={directory / 'train.jsonl'}", f"task.test={directory / 'test.jsonl'}"]


def run(arm: str, directory: Path) -> Path:
    """The run directory of an arm that has been to its end."""
    directory.mkdir(parents=True, exist_ok=True)
    given = [*ARMS[arm], *SMALL, f"run.name={arm}", f"run.dir={directory}"]
    if arm == "gamed":
        given += write_rows(directory)
    job = subprocess.Popen([sys.executable, "-m", "t2rl", "train", "quickstart", *given])
    try:
        if arm == "stalled":
            stop_an_engine(job, directory / arm)
        job.wait()
    finally:
        if job.poll() is None:
            job.terminate()
            job.wait()
    return directory / arm


def stop_an_engine(job: "subprocess.Popen[bytes]", path: Path) -> None:
    """Stop the engine's process after six steps, and let it go on once the run has spoken of it."""
    until(job, lambda: len(rows(path / "metrics.jsonl")) >= 6)
    children = psutil.Process(job.pid).children(recursive=True)
    engine = next(one for one in children if "RolloutWorker" in " ".join(one.cmdline()))
    engine.send_signal(signal.SIGSTOP)
    try:
        until(job, lambda: any(row["name"] == "stalled" for row in rows(path / "advisories.jsonl")))
    finally:
        engine.send_signal(signal.SIGCONT)


def rows(path: Path) -> list[dict[str, object]]:
    """Rows so far, without those that begin an attempt."""
    return [row for row in read_jsonl(path) if "step" in row] if path.is_file() else []


def until(job: "subprocess.Popen[bytes]", happened: "object") -> None:
    """Wait for it.

    Raises:
        RuntimeError: the run ended before, or it took too long.
    """
    assert callable(happened)
    began = time.monotonic()
    while not happened():
        if job.poll() is not None or time.monotonic() - began > PATIENCE_S:
            raise RuntimeError("what the arm waits for did not happen")
        time.sleep(0.2)


def main() -> None:
    """Run one arm, and print what it advised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advice")
    parser.add_argument("arm", choices=sorted(ARMS))
    parser.add_argument("--to", type=Path, required=True, help="directory of runs")
    args = parser.parse_args()
    path = run(args.arm, args.to.absolute())
    for row in rows(path / "advisories.jsonl"):
        print(f"step {row['step']} ({row['about']}, {row['severity']}) {row['name']}: {row['text']}")


if __name__ == "__main__":
    main()
