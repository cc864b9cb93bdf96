"""Held-out evaluation of weight snapshots, whoever trained them: one engine, T2RL's own evaluator, the same
prompts and seeds.

    python -m benchmarks.lib.held_out --config run.yaml --out DIR SNAPSHOT [SNAPSHOT ...]

A snapshot is a Hugging Face directory (``model.safetensors``) or a T2RL checkpoint (``step-00000020``, one
learner rank, ZeRO 0). Writes ``DIR/version-00000000.jsonl`` for the base and ``version-0000000i.jsonl`` for
the i-th snapshot.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from rewards.processes.pool import VerifierPool
from rl.config.load import load_config
from rl.config.schema import Config
from rl.engines.actors import engine_config
from rl.engines.serving import sampling_service
from rl.evaluation.held_out import Evaluator, Keep
from rl.learner.shard_files import read_shard
from rl.run.prepare.inputs import Prepared, prepare
from rollout.engine import InferenceEngine, WeightUpdate, build_engine
from rollout.types import Completion, GroupRequest
from rollout.vllm_env import prepare_process
from rollout.weight_buffer import WeightBuffer, plan_layout


class OneEngine:
    """As much of a fleet as the rollout service needs to evaluate."""

    def __init__(self, engine: InferenceEngine) -> None:
        self._engine = engine

    async def start(self) -> None:
        """Load the model."""
        await self._engine.start()

    async def stop(self) -> None:
        """Give the model back."""
        await self._engine.stop()

    async def abort(self, group_id: int) -> None:
        """Drop a group, if it is there."""
        await self._engine.abort([group_id])

    @property
    def confirmed_version(self) -> int:
        """Of the weights served."""
        return self._engine.policy_version

    async def generate(self, request: GroupRequest, *, timeout_s: float) -> list[Completion]:
        """[G] completions."""
        return await asyncio.wait_for(self._engine.generate(request), timeout_s)


def read_snapshot(path: Path, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """The tensors of those Hugging Face names."""
    if (path / "model.safetensors").is_file():
        state = load_file(path / "model.safetensors")
    else:
        shards = path / "learner" / "shards" / "mp_rank_00_model_states.pt"
        module = read_shard(shards, map_location="cpu")["module"]
        state = {name.removeprefix("causal_lm."): tensor for name, tensor in module.items()}
    return {name: state[name] for name in names}


async def evaluate(
    config: Config,
    prepared: Prepared,
    snapshots: Sequence[Path],
    out: Path,
    temperatures: Sequence[float],
    *,
    keep: Keep | None = None,
) -> None:
    """Base first, then every snapshot, with the engine kept and only its weights replaced; ``keep`` is given
    every completion of a version."""
    engine = build_engine(engine_config(config, prepared.model_path))
    async with sampling_service(
        config,
        OneEngine(engine),
        VerifierPool(prepared.task.reward_name, prepared.task.reward_args),
        decode=prepared.decode(),
        trace=out / "trace.json",
        max_issues=1,
    ) as service:
        evaluator = Evaluator(
            service=service,
            prompts=prepared.eval_prompts,
            samples=config.evaluation.samples_per_prompt,
            max_tokens=config.rollout.max_tokens,
            top_p=config.rollout.top_p,
            seed=0,
            directory=out,
            keep=keep,
        )
        await evaluator.run(version=0, temperatures=temperatures)
        base = load_file(prepared.model_path / "model.safetensors")
        layout = plan_layout((name, "float32", tuple(tensor.shape)) for name, tensor in base.items())
        with tempfile.TemporaryDirectory(prefix="t2rl-held-out-", dir="/dev/shm") as shared:
            for version, snapshot in enumerate(snapshots, start=1):
                buffer = WeightBuffer.create(Path(shared) / f"weights-{version}", layout)
                for name, tensor in read_snapshot(snapshot, list(base)).items():
                    buffer.write(name, tensor)
                await engine.update_weights(_update(buffer, version))
                buffer.close(unlink=True)
                await evaluator.run(version=version, temperatures=temperatures)


def _update(buffer: WeightBuffer, version: int) -> WeightUpdate:
    specs = tuple(buffer.specs.values())
    return WeightUpdate(
        version=version, transport="shm", path=str(buffer.path), tensors=specs, checksum=buffer.checksum()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="resolved config of the run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1.0])
    parser.add_argument("snapshots", type=Path, nargs="*")
    args = parser.parse_args()
    config = load_config(args.config, ["rollout.cores=null"])
    args.out.mkdir(parents=True, exist_ok=True)
    prepared = prepare(config)
    prepare_process(engine_config(config, prepared.model_path))
    asyncio.run(evaluate(config, prepared, args.snapshots, args.out, args.temperatures))
    os._exit(0)  # vLLM's atexit handlers take seconds and there is nothing left to lose


if __name__ == "__main__":
    main()
