"""One learner rank: a DeepSpeed engine over its share of every training batch. A plain class; ``group`` puts
it into Ray actors."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from rl.batch.types import StepResult, TrainingBatch
from rl.config.algorithm import AlgorithmConfig
from rl.config.learner import LearnerConfig
from rl.learner.settings import RankSettings, Recorded
from rollout.collector import collector_off
from rollout.engine import WeightUpdate
from rollout.weight_sender import Rendezvous, WeightSender

if TYPE_CHECKING:
    from rl.learner.build import RankParts
    from rl.learner.offloaded import OffloadedState
    from rl.learner.streamed import StreamedStep


class LearnerRank:
    """Methods marked collective must be called on every rank at once, with the same arguments.

    Nothing heavy happens before ``setup``: DeepSpeed reads the environment when it is imported.
    """

    def __init__(
        self,
        *,
        config: LearnerConfig,
        algorithm: AlgorithmConfig,
        model_path: str,
        rank: int,
        world_size: int,
        seed: int,
        total_steps: int,
        max_tokens: int,
        trust: bool = False,
        serves_bf16: bool = False,
        records: Recorded = "none",
    ) -> None:
        """``total_steps`` training batches end the learning-rate schedule; ``max_tokens`` is the completion
        limit (Dr. GRPO); ``trust``: the base's own code may run; ``serves_bf16``: engines round what is
        published to bfloat16; ``records``: what a step's result says of its samples."""
        self._settings = RankSettings(
            config=config,
            algorithm=algorithm,
            model_path=model_path,
            rank=rank,
            world_size=world_size,
            seed=seed,
            total_steps=total_steps,
            max_tokens=max_tokens,
            trust=trust,
            serves_bf16=serves_bf16,
            records=records,
        )
        self._gather = config.zero_stage == 3
        self._parts: RankParts | None = None
        self._engine: Any = None
        """DeepSpeed's, around the policy."""
        self._sender: WeightSender | None = None
        self._state: OffloadedState | None = None
        """Everything that leaves the device while engines have it; None until it is asked to."""
        self._streamed: StreamedStep | None = None
        """The step that comes in parts; None between steps."""
        self._step_s = 0.0
        """Busy seconds of the step in progress."""
        self._busy_s = 0.0
        self._busy_cpu_s = 0.0
        self._tokens = 0

    def warm(self) -> None:
        """Import what ``setup`` needs, ahead of it."""
        self._claim_cpu()
        with collector_off():
            from rl.learner.deepspeed_setup import import_deepspeed

            import_deepspeed(self._settings.config.device)
            import rl.learner.build  # noqa: F401

    def setup(self, address: str, port: int) -> dict[str, Any]:
        """Join the other ranks at rank 0's ``address:port``, load the model, build the engine. Collective.

        Returns pid, host, the device's name, why batches must come whole (or None), and the seconds it took.
        """
        started = time.perf_counter()
        self._claim_cpu()
        config, rank, world_size = self._settings.config, self._settings.rank, self._settings.world_size
        from rl.learner.deepspeed_setup import init_distributed

        init_distributed(config, rank=rank, world_size=world_size, address=address, port=port)
        from rl.learner.whole_batch import needs_whole_batch

        with collector_off():
            from rl.learner.build import build_parts

            self._parts = build_parts(self._settings)
        self._engine = self._parts.models.engine
        return {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "device": torch.cuda.get_device_name() if config.device == "cuda" else "cpu",
            "whole_batch": needs_whole_batch(config, self._settings.algorithm),
            "setup_s": time.perf_counter() - started,
        }

    def _claim_cpu(self) -> None:
        """Pin the rank to its part of the configured cores (all of them if there are fewer cores than ranks);
        set torch's threads."""
        settings, config = self._settings, self._settings.config
        if config.cores is not None:
            os.sched_setaffinity(0, config.cores[settings.rank :: settings.world_size] or config.cores)
        torch.set_num_threads(config.num_threads)

    @property
    def _built(self) -> "RankParts":
        assert self._parts is not None, "setup() first"
        return self._parts

    def train(self, batch: TrainingBatch) -> StepResult:
        """All optimizer updates on one batch, ``updates_per_batch`` of them on disjoint groups. Collective.

        A non-finite gradient ends the batch there: ``applied`` is False, and that update left weights and
        optimizer untouched.
        """
        from rl.learner.step import train_on_batch

        assert self._streamed is None, "a step in parts is to be completed or abandoned first"
        parts = self._built
        with self._busy():
            result = train_on_batch(parts.models, batch, parts.context, parts.progress)
        return self._timed(result, batch)

    def accumulate(self, part: TrainingBatch) -> None:
        """Forward and backward over some groups of the next batch, before the rest is there; only where
        ``rl.learner.whole_batch`` says nothing. Collective."""
        from rl.learner.streamed import StreamedStep

        built = self._built
        with self._busy():
            if self._streamed is None:
                self._streamed = StreamedStep(built.models, built.context, built.progress)
            self._streamed.add(part)

    def complete(self, batch: TrainingBatch, rest: TrainingBatch | None) -> StepResult:
        """The optimizer step on ``batch``, of which all but ``rest`` was given to ``accumulate``. As
        ``train``. Collective."""
        streamed = self._streamed
        assert streamed is not None, "accumulate() first"
        with self._busy():
            if rest is not None:
                streamed.add(rest)
            result = streamed.complete(batch)
        self._streamed = None
        return self._timed(result, batch)

    def abandon(self) -> None:
        """Forget what was given to ``accumulate``. Collective."""
        if self._streamed is not None:
            self._streamed.abandon()
        self._streamed, self._step_s = None, 0.0

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """Count the seconds inside."""
        started, started_cpu = time.perf_counter(), time.process_time()
        yield
        elapsed = time.perf_counter() - started
        self._step_s += elapsed
        self._busy_s += elapsed
        self._busy_cpu_s += time.process_time() - started_cpu

    def _timed(self, result: StepResult, batch: TrainingBatch) -> StepResult:
        """Close the account of a step."""
        result.metrics["learner/step_s"], self._step_s = self._step_s, 0.0
        self._tokens += len(batch.token_ids)
        return result

    def publish(self, version: int, directory: str) -> WeightUpdate | None:
        """Write the merged weights, or the adapter alone, to shared memory as ``version``. Collective; rank 0
        returns the update.

        Two files in ``directory`` are used in turn, so engines may still read the previous version meanwhile.
        """
        return self._built.publisher.publish(version, Path(directory))

    def prepare_transfer(self, rendezvous: Rendezvous) -> None:
        """Get ready to send from GPU to GPU (nccl, ipc), so that ``outgoing`` may be asked; leaves the group
        of before, if there was one."""
        from rl.learner.publishing import WeightStream

        if self._sender is not None:
            self._sender.close()
        weights = WeightStream(self._engine.module.causal_lm, gather=self._gather)
        self._sender = WeightSender(weights, rendezvous, rank=self._settings.rank)

    def connect(self) -> None:
        """Meet the engines' workers; returns when they are there, for which somebody must carry ``outgoing``.
        Collective."""
        self._transfer.connect()

    def send(self) -> None:
        """Send the weights of now; returns when every engine serves them, with ``outgoing`` as in
        ``connect``. Collective."""
        self._transfer.send()

    def outgoing(self) -> dict[str, Any]:
        """Return what vLLM wants every engine to be told next; waits for it. Rank 0 only, while ``connect``
        or ``send`` runs."""
        return self._transfer.courier.outgoing()

    def delivered(self) -> None:
        """Every engine has done what ``outgoing`` said. Rank 0 only."""
        self._transfer.courier.delivered()

    @property
    def _transfer(self) -> WeightSender:
        assert self._sender is not None, "prepare_transfer() first"
        return self._sender

    def score(self, sequences: list[list[int]]) -> list[list[float]]:
        """[sequences][T - 1] log-probs in nats of tokens 1..T-1 at temperature 1, for the probe.
        Collective."""
        from rl.learner.scoring import sequence_logprobs

        packed = self._settings.config.packing.name == "varlen"
        return sequence_logprobs(
            self._engine, sequences, token_budget=self._settings.config.micro_batch_tokens, packed=packed
        )

    def prompt_signals(
        self, prompts: list[list[int]], columns: list[str], template: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        """``curricula.measures.prompt_signals.COLUMNS`` of prompts that share ``template`` tokens (at head,
        at tail). Collective."""
        from rl.learner.prompt_signals import Template, prompt_signals

        shared = Template(head=template[0], tail=template[1])
        budget = self._settings.config.micro_batch_tokens
        return prompt_signals(self._engine, prompts, columns=columns, template=shared, token_budget=budget)

    def save(self, directory: str, background: bool = True) -> None:
        """Snapshot weights, optimizer, schedule, counters and RNG, and write them in the ``background``, or
        before it returns. Collective.

        ``directory`` must be fresh; it is complete when ``wait_saved`` has returned on every rank.
        """
        from rl.learner.checkpoint import save_state

        self._engine.checkpoint_engine.wait()
        self._engine.checkpoint_engine.background = background
        counters = {
            "busy_s": self._busy_s,
            "busy_cpu_s": self._busy_cpu_s,
            "tokens": self._tokens,
            **self._built.progress.saved(self._settings.algorithm.kl),
        }
        save_state(self._engines(), Path(directory), shape=self._shape(), counters=counters)

    def wait_saved(self) -> None:
        """Block until this rank's part of the last ``save`` is on disk; raises what writing raised (OSError
        on a full disk)."""
        self._engine.checkpoint_engine.wait()

    def load(self, directory: str) -> None:
        """Restore what ``save`` wrote; the next batch trains as if there had been no interruption.
        Collective.

        Another number of ranks or ZeRO stage, and a critic more or less, are taken up. ValueError if it was
        written with another dtype, optimizer or adapter.
        """
        from rl.learner.checkpoint import load_state

        counters = load_state(self._engines(), Path(directory), shape=self._shape())
        self._busy_s, self._busy_cpu_s, self._tokens = (
            counters["busy_s"],
            counters["busy_cpu_s"],
            counters["tokens"],
        )
        self._built.progress.restore(counters, self._settings.algorithm.kl)

    def offload(self) -> dict[str, float]:
        """Leave the device: parameters, gradients and optimizer states of every model go to host memory.

        Returns ``moved`` and ``left`` bytes. Nothing but ``reload``, ``wait_saved``, ``stats`` and ``close``
        may follow.
        """
        from rl.learner.offloaded import OffloadedState

        if self._state is None:
            self._state = OffloadedState([self._built.models], self._engine.device)
        moved = self._state.offload()
        return {"moved": float(moved), "left": float(self._state.left_bytes())}

    def reload(self) -> None:
        """Be on the device again, as before ``offload``."""
        if self._state is not None:
            self._state.reload()

    def export(self, directory: str, base: str | None = None) -> None:
        """Write a Hugging Face model directory: merged weights, config, tokenizer, adapter. Collective; rank
        0 writes.

        The tokenizer is that of the directory ``base``, of the model's own directory without it.
        """
        from rl.learner.export import export_model

        model = self._engine.module.causal_lm
        export_model(
            model,
            Path(directory),
            model_path=self._settings.model_path,
            files_from=base,
            gather=self._gather,
            is_writer=self._settings.rank == 0,
        )

    def stats(self) -> dict[str, float]:
        """Over the run so far: ``busy_s`` and ``busy_cpu_s`` inside ``train``, ``cpu_s`` of the process,
        batch ``tokens``."""
        return {
            "busy_s": self._busy_s,
            "busy_cpu_s": self._busy_cpu_s,
            "cpu_s": time.process_time(),
            "tokens": float(self._tokens),
        }

    def close(self) -> None:
        """Finish writing, remove the shared-memory files, leave the process group. Idempotent; a new
        ``setup`` may follow."""
        if self._parts is None:
            return
        self._engine.checkpoint_engine.wait()
        self._engine.checkpoint_engine.cleanup()
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        if self._parts.sequences is not None:
            self._parts.sequences.close()
        self._parts.publisher.close()
        for engine in self._engines().values():
            engine.destroy()
        self._parts = self._engine = self._state = None
        from deepspeed import comm

        comm.destroy_process_group()  # DeepSpeed's, because it forgets its own handles of the groups too

    def _engines(self) -> dict[str, Any]:
        """Tag -> DeepSpeed engine, of everything that a checkpoint must hold."""
        critic = self._built.models.critic
        return {"shards": self._engine} | ({} if critic is None else {"critic": critic.engine})

    def _shape(self) -> dict[str, Any]:
        from rl.learner.shape import run_shape

        settings = self._settings
        return run_shape(settings.config, settings.algorithm, world_size=settings.world_size)
