"""Weights unpacked, packed and quantised on a CPU: ``python -m benchmarks.speed.weight_formats``.

One vLLM engine after the other in this process, on one thread, with SmolLM2-135M: float32 and bfloat16
weights unpacked (as engines of a training run need them, ``rollout.weight_receiver``) and packed for oneDNN
(``EngineConfig.fixed_weights``), and int8 and int4 copies (``t2rl bench --bits``). Every format ``REPEATS``
times, interleaved. A figure is CPU seconds of the process, not wall-clock, so that neighbours matter little:
the median decode step and the prefill of ``PROMPT`` tokens, of one sequence and of eight; and the log-probs
of plain text against those of the first engine (float32, unpacked).

Ratios are unpacked / other of the same number format, within one repeat.
"""

import contextlib
import gc
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lib.common import CONSOLE, machine, parser, save, spread
from rl.commands.bench.accuracy import accuracy_of, texts_for
from rl.commands.bench.quantised import BITS, write_quantised
from rl.commands.evaluate import resolve
from rl.config.load import load_config
from rl.run.prepare.inputs import locate_model
from rollout.engine import EngineConfig
from rollout.vllm_args import engine_arguments, scoring_arguments
from rollout.vllm_env import prepare_process

FORMATS = (
    ("float32", "unpacked"),
    ("float32", "packed"),
    ("float32", "int8"),
    ("bfloat16", "unpacked"),
    ("bfloat16", "packed"),
    ("bfloat16", "int8"),
    ("bfloat16", "int4"),
)
"""vLLM's int4 kernel for CPUs raises on float32 ("cpu_gemm_wna16" not implemented for 'Float')."""
REPEATS, BATCHES, PROMPT, ANSWER, PASSAGES = 3, (1, 8), 64, 12, 8


def engine_of(model: Path, dtype: str, *, packed: bool) -> Any:
    from vllm import _custom_ops
    from vllm.engine.arg_utils import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    # What importing rollout.weight_receiver does, undone for the next engine.
    _custom_ops._supports_onednn = packed
    config = EngineConfig(
        model=str(model), dtype=dtype, max_model_len=256, max_num_seqs=16, kv_cache_mib=64, fixed_weights=True
    )
    return LLMEngine.from_engine_args(EngineArgs(**engine_arguments(config)))


def timed(engine: Any, batch: int, rng: np.random.Generator) -> dict[str, float]:
    """CPU seconds of a step that prefills ``batch`` prompts, and of the median decode step."""
    from vllm import SamplingParams

    for index in range(batch):
        prompt = {"prompt_token_ids": rng.integers(10, 40000, PROMPT).tolist()}
        sampling = SamplingParams(max_tokens=ANSWER, ignore_eos=True, temperature=0, detokenize=False)
        engine.add_request(f"{batch}-{index}-{rng.integers(1 << 40)}", prompt, sampling)
    seconds = []
    while engine.has_unfinished_requests():
        began = time.process_time()
        engine.step()
        seconds.append(time.process_time() - began)
    return {f"prefill_{batch}": seconds[0], f"decode_{batch}": float(np.median(seconds[1:]))}


def scored(engine: Any, texts: Sequence[Sequence[int]]) -> list[list[float]]:
    from vllm import SamplingParams

    sampling = SamplingParams(**scoring_arguments() | {"flat_logprobs": False})
    for index, text in enumerate(texts):
        engine.add_request(str(index), {"prompt_token_ids": list(text)}, sampling)
    found: dict[int, list[float]] = {}
    while engine.has_unfinished_requests():
        for output in engine.step():
            if output.prompt_logprobs:
                rows = zip(output.prompt_logprobs[1:], output.prompt_token_ids[1:], strict=True)
                found[int(output.request_id)] = [row[token].logprob for row, token in rows]
    return [found[index] for index in range(len(texts))]


def measure(model: Path, dtype: str, mode: str, texts: Sequence[Sequence[int]]) -> dict[str, Any]:
    from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

    engine = engine_of(model, dtype, packed=mode != "unpacked")
    rng = np.random.default_rng(0)
    try:
        timed(engine, 1, rng)
        figures: dict[str, Any] = {}
        for batch in BATCHES:
            figures |= timed(engine, batch, rng)
        return figures | {"scores": scored(engine, texts)}
    finally:
        engine.engine_core.shutdown()
        del engine
        with contextlib.suppress(AssertionError):
            cleanup_dist_env_and_memory()
        gc.collect()


def main() -> None:
    options = parser(__doc__ or "")
    args = options.parse_args()
    before = machine()
    config, model = resolve(locate_model(load_config("smollm2")), ["smollm2", "rollout.cores=null"])
    prepare_process(EngineConfig(model=str(model), num_threads=1))
    import torch

    torch.set_num_threads(1)
    texts = texts_for(model, config)[:PASSAGES]
    repeats: list[dict[str, dict[str, Any]]] = []
    with tempfile.TemporaryDirectory(prefix="t2rl-formats-") as folder:
        copies = {f"int{bits}": Path(folder) / str(bits) for bits in BITS}
        for bits in BITS:
            write_quantised(model, copies[f"int{bits}"], bits)
        for _ in range(1 if args.quick else REPEATS):
            repeats.append({})
            for dtype, mode in FORMATS:
                found = measure(copies.get(mode, model), dtype, mode, texts)
                repeats[-1][f"{dtype} {mode}"] = found
                CONSOLE.print(dtype, mode, {k: round(v, 4) for k, v in found.items() if k != "scores"})
    reference = repeats[0]["float32 unpacked"]["scores"]
    kinds = [f"{kind}_{batch}" for kind in ("prefill", "decode") for batch in BATCHES]
    rows = {}
    for dtype, mode in FORMATS:
        each, plain = ([one[f"{dtype} {of}"] for one in repeats] for of in (mode, "unpacked"))
        rows[f"{dtype} {mode}"] = {
            "cpu_s": {kind: spread([one[kind] for one in each]) for kind in kinds},
            "times_faster": {
                kind: spread([b[kind] / a[kind] for a, b in zip(each, plain, strict=True)]) for kind in kinds
            },
            "logprobs": accuracy_of(each[0]["scores"], reference),
        }
    result = {"machine": before, "command": "python -m benchmarks.speed.weight_formats", "formats": rows}
    save("weight_formats", result, args=args)
    os._exit(0)  # vLLM's atexit handlers take seconds and there is nothing left to lose


if __name__ == "__main__":
    main()
