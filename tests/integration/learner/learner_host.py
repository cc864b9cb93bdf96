"""Processes that hold one learner rank after another, driven over a pipe: DeepSpeed is imported once for a
whole test module.

Lives beside the tests, not in them: the child imports it by name, and whatever it can do is a function here.
"""

import ctypes
import gc
import multiprocessing
import os
import socket
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from rl.batch.types import TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig

TIMEOUT_S = 90
LOSS = "policy_gradient_loss"
WALKED = ("rl.learner.", "rl.objective.")


def serve(pipe: Connection, gpu: int | None) -> None:
    """Answer (operation, arguments) with (True, result) or (False, error) until the pipe closes. Sees the one
    ``gpu``, or none."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpu is None else str(gpu)
    os.environ.update(OMP_NUM_THREADS="1", TORCH_COMPILE_DISABLE="1", HF_HUB_OFFLINE="1")
    import torch

    torch.set_num_threads(1)
    state: dict[str, Any] = {"rank": None}
    while True:
        try:
            operation, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, OPERATIONS[operation](state, *arguments)))
        except BaseException as error:  # noqa: BLE001 - the test process shows it
            pipe.send((False, error))


def build(state: dict[str, Any], arguments: dict[str, Any], port: int) -> None:
    """Replace the rank by a new one."""
    from deepspeed.runtime.zero.partition_parameters import Init

    from rl.learner.rank import LearnerRank

    if state["rank"] is not None:
        state["rank"].close()
    # counts up over a process's life, and ZeRO-3 ranks of different pasts would compare ids
    Init.param_id = 0
    state["rank"] = LearnerRank(**arguments)
    state["rank"].setup("127.0.0.1", port)


def join(state: dict[str, Any], arguments: dict[str, Any], port: int) -> None:
    """A process group without a rank of ours."""
    from rl.learner.deepspeed_setup import init_distributed

    if state["rank"] is not None:
        state["rank"].close()
        state["rank"] = None
    rank, world_size = arguments["rank"], arguments["world_size"]
    init_distributed(arguments["config"], rank=rank, world_size=world_size, address="127.0.0.1", port=port)


def load(state: dict[str, Any], arguments: dict[str, Any], port: int, warm_path: str) -> dict[str, float]:
    """Load the model as ``build`` does, without an engine around it: how it lies in memory, and what loading
    took at its peak."""
    from deepspeed import comm

    from rl.learner.model import load_model

    config = arguments["config"]
    join(state, arguments, port)
    load_model(warm_path, config)  # the first one imports what it needs
    libc = ctypes.CDLL(None)
    # M_MMAP_THRESHOLD: what is freed goes back to the system at once, and is seen to
    libc.mallopt(-3, 1 << 16)
    gc.collect()
    libc.malloc_trim(0)
    before = anonymous_bytes()
    with Peak() as peak:
        model = load_model(arguments["model_path"], config)
    parts = [getattr(p, "ds_tensor", p) for p in model.parameters()]
    found = {
        "in_parts": float(all(hasattr(p, "ds_id") for p in model.parameters())),
        "elements": float(sum(p.numel() for p in parts)),
        "bytes_each": float(parts[0].element_size()),
        "peak": float(peak.bytes - before),
    }
    comm.destroy_process_group()
    return found


def in_parts_and_whole(state: dict[str, Any], arguments: dict[str, Any], port: int) -> list[str]:
    """Names of tensors that a model loaded in parts has otherwise than one loaded whole: another dtype, or
    other values."""
    from deepspeed import comm
    from deepspeed.runtime.zero import GatheredParameters

    from rl.learner.model import load_model

    config = arguments["config"]
    join(state, arguments, port)
    parts, whole = (
        load_model(arguments["model_path"], config.model_copy(update={"zero_stage": stage}))
        for stage in (3, 2)
    )
    with GatheredParameters(list(parts.parameters())):
        got = dict(parts.named_parameters()) | dict(parts.named_buffers())
        expected = dict(whole.named_parameters()) | dict(whole.named_buffers())
        assert got.keys() == expected.keys()
        differing = [
            n for n, t in expected.items() if got[n].dtype != t.dtype or not bool((got[n] == t).all())
        ]
    comm.destroy_process_group()
    return differing


def anonymous_bytes() -> int:
    """This process's own memory; pages of files that it maps are the machine's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


class Peak:
    """The most anonymous memory at any of many moments inside the block."""

    def __enter__(self) -> "Peak":
        self.bytes, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.bytes = max(self.bytes, anonymous_bytes())

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.bytes = max(self.bytes, anonymous_bytes())


def call(state: dict[str, Any], method: str, *arguments: Any) -> Any:
    return getattr(state["rank"], method)(*arguments)


def weights(state: dict[str, Any]) -> dict[str, np.ndarray]:
    """Published names and values, float32."""
    from rl.learner.weights import iterate_weights

    rank = state["rank"]
    return {
        n: t.float().numpy().copy()
        for n, t in iterate_weights(rank._engine.module.causal_lm, gather=rank._gather)
    }


def streamed(state: dict[str, Any]) -> tuple[list[tuple[str, str, tuple[int, ...]]], dict[str, np.ndarray]]:
    """What a GPU transport declares and gets: every tensor of one pass is kept until the pass is over, as
    vLLM keeps them."""
    from rl.learner.publishing import WeightStream

    rank = state["rank"]
    stream = WeightStream(rank._engine.module.causal_lm, gather=rank._gather)
    kept = list(stream)
    return stream.layout(), {n: t.float().numpy().copy() for n, t in kept}


def settled(state: dict[str, Any]) -> list[bool]:
    """Of every tensor that a GPU transport gets: was it, itself, waited for before it was handed out?"""
    from rl.learner import publishing

    rank = state["rank"]
    waited: list[Any] = []

    def settle(tensor: Any) -> None:
        waited.append(tensor)

    original, publishing.settle = publishing.settle, settle
    try:
        stream = publishing.WeightStream(rank._engine.module.causal_lm, gather=rank._gather)
        return [bool(waited) and waited[-1] is tensor for _, tensor in stream]
    finally:
        publishing.settle = original


def raw_parameters(state: dict[str, Any]) -> dict[str, np.ndarray]:
    """Every parameter as PEFT names it, base and adapters apart, whole also under ZeRO-3."""
    from deepspeed.runtime.zero import GatheredParameters

    rank = state["rank"]
    model = rank._engine.module.causal_lm
    with GatheredParameters(list(model.parameters()), modifier_rank=None, enabled=rank._gather):
        return {n: p.detach().float().numpy().copy() for n, p in model.named_parameters()}


def randomise_adapter(state: dict[str, Any], seed: int) -> None:
    """As if trained: adapters start at zero (lora_B), where a lost one would not be noticed. Not under
    ZeRO-3."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in state["rank"]._engine.module.causal_lm.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if ".lora_B." in name:
                parameter.copy_(0.1 * noise)
            elif ".lora_magnitude_vector." in name:
                parameter.mul_(1 + 0.1 * noise)


def train_and_capture(state: dict[str, Any], batch: TrainingBatch) -> tuple[Any, dict[str, np.ndarray]]:
    """Train on a batch at ZeRO-0 and return the gradients that the step was about to apply."""
    engine = state["rank"]._engine
    captured: dict[str, np.ndarray] = {}
    original = engine.step

    def step() -> None:
        captured.update(
            {n: p.grad.numpy().copy() for n, p in engine.module.named_parameters() if p.grad is not None}
        )
        original()

    engine.step = step
    try:
        return state["rank"].train(batch), captured
    finally:
        engine.step = original


def walk(state: dict[str, Any], batch: TrainingBatch) -> list[tuple[str, str]]:
    """Train on a batch and return (module, function) of every function of learner and objective that ran up
    to the loss, in the order of their first calls; reading a setting is no stay."""
    found: dict[tuple[str, str], None] = {}

    def called(frame: FrameType, event: str, _: Any) -> None:
        module, code = frame.f_globals.get("__name__", ""), frame.f_code
        written = code.co_filename.endswith(".py")  # not a method that dataclasses generate
        over = ("rl.objective.estimator", LOSS) in found
        if event == "call" and module.startswith(WALKED) and written and not over:
            found[module, code.co_name] = None

    sys.setprofile(called)
    try:
        state["rank"].train(batch)
    finally:
        sys.setprofile(None)
    return list(found)


def recomputes(state: dict[str, Any]) -> bool:
    """True if layers run again in the backward pass."""
    return bool(state["rank"]._engine.module.causal_lm.is_gradient_checkpointing)


def close(state: dict[str, Any]) -> None:
    if state["rank"] is not None:
        state["rank"].close()
        state["rank"] = None


OPERATIONS = {
    f.__name__: f
    for f in (
        build,
        load,
        in_parts_and_whole,
        call,
        weights,
        streamed,
        settled,
        raw_parameters,
        randomise_adapter,
        train_and_capture,
        recomputes,
        walk,
        close,
    )
}


class Hosts:
    """Up to two rank processes; every call goes to the first ``world`` of them at once."""

    def __init__(self, *, gpus: int = 0) -> None:
        """With ``gpus`` the first so many processes have one each."""
        self.world, self.alone, self.gpus = 0, False, gpus
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for index in range(2):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=serve, args=(theirs, index if index < self.gpus else None), daemon=True
            )
            process.start()
            theirs.close()
            self.pipes.append(ours)
            self.processes.append(process)

    def build(
        self,
        model_path: Path,
        *,
        world: int = 1,
        algorithm: dict[str, Any] | None = None,
        records: str = "none",
        serves_bf16: bool = False,
        **config: Any,
    ) -> None:
        """Start ``world`` ranks; ``config`` are LearnerConfig fields."""
        self._begin("build", model_path, world, algorithm, config, records=records, serves_bf16=serves_bf16)

    def load(self, model_path: Path, *, warm_path: Path, world: int, **config: Any) -> list[dict[str, float]]:
        """What each of ``world`` processes says about loading the model, after it has loaded
        ``warm_path``."""
        return self._begin("load", model_path, world, None, config, str(warm_path))

    def in_parts_and_whole(self, model_path: Path, *, world: int, **config: Any) -> list[list[str]]:
        """What each of ``world`` processes finds to differ between the two ways to load a model."""
        return self._begin("in_parts_and_whole", model_path, world, None, config)

    def _begin(
        self,
        operation: str,
        model_path: Path,
        world: int,
        algorithm: Any,
        config: Any,
        *more: Any,
        records: str = "none",
        serves_bf16: bool = False,
    ) -> list[Any]:
        self.world = world
        # ZeRO-3 replaces torch's linear for the rest of a process's life, which changes the order of
        # gradients: two ranks must have the same past, or they hang at ZeRO-3 and add up the wrong gradients
        # at ZeRO-2.
        if world == 2 and self.alone:
            self.stop()
            self._start()
            self.alone = False
        self.alone |= world == 1 and config.get("zero_stage") == 3
        arguments = {
            "config": LearnerConfig(num_ranks=world, **{"lr": 1e-3, "collective_timeout_s": 60.0} | config),
            "algorithm": AlgorithmConfig(**(algorithm or {})),
            "model_path": str(model_path),
            "world_size": world,
            "seed": 3,
            "total_steps": 10,
            "max_tokens": 32,
            "serves_bf16": serves_bf16,
            "records": records,
        }
        port = free_port()
        return self.each(operation, [(arguments | {"rank": rank}, port, *more) for rank in range(world)])

    def each(self, operation: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
        """Run one operation per rank and return the answers; raises the first rank's error."""
        for pipe, values in zip(self.pipes, arguments, strict=False):
            pipe.send((operation, values))
        answers = []
        for rank, pipe in enumerate(self.pipes[: len(arguments)]):
            assert pipe.poll(TIMEOUT_S), f"rank {rank} hangs in {operation} {arguments[rank][:1]}"
            answers.append(pipe.recv())
        for ok, value in answers:
            if not ok:
                raise value
        return [value for _, value in answers]

    def run(self, operation: str, *arguments: Any) -> Any:
        """The same on all ranks; rank 0's answer."""
        return self.each(operation, [arguments] * self.world)[0]

    def call(self, method: str, *arguments: Any) -> Any:
        """A LearnerRank method on all ranks; rank 0's answer."""
        return self.run("call", method, *arguments)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]
