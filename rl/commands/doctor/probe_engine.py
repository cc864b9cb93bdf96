"""A vLLM engine loads a tiny model and answers."""

import asyncio
import json
import sys
from pathlib import Path

from rollout.engine import EngineConfig
from rollout.types import GroupRequest, SamplingConfig
from rollout.worker import RolloutWorker


async def main(model: Path, device: str) -> str:
    """Start an engine on a tiny model and return what was found."""
    worker = RolloutWorker(
        EngineConfig(model=str(model), device=device, max_model_len=64, max_num_seqs=4, kv_cache_mib=32)
    )
    await worker.start()
    request = GroupRequest(
        group_id=0, prompt_token_ids=(1, 5, 6), seeds=(0, 1), sampling=SamplingConfig(max_tokens=8)
    )
    completions = await worker.generate(request)
    await worker.stop()
    tokens = sum(len(c.token_ids) for c in completions)
    if len(completions) != 2 or not tokens:
        raise RuntimeError(f"asked for 2 completions, got {len(completions)} with {tokens} tokens")
    return f"vLLM on {device} answers"


if __name__ == "__main__":
    import torch

    from rl.commands.doctor.tiny_model import write_tiny_model

    DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
    print(json.dumps({"found": asyncio.run(main(write_tiny_model(Path(sys.argv[1]) / "model"), DEVICE))}))
