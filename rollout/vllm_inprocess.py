"""vLLM's ``LLMEngine`` in the actor's own process, stepped by a thread of its own: one import, no pickling
between steps.

Only the engine thread touches the engine. Coroutines hand it jobs through a queue, it runs them between
steps, and answers through futures; a weight update is one such job, so between two steps is the only place
where weights can change.
"""

import asyncio
import gc
import itertools
import logging
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from rollout.engine import EngineConfig, EngineDead, EngineFailed, WeightUpdate, WeightUpdateRefused
from rollout.requests import check_request, check_sequence, check_stream
from rollout.stop_strings import StopStrings
from rollout.streaming import DeltaQueue, StreamRequest, TokenDelta, step_delta
from rollout.types import Completion, GroupRequest
from rollout.vllm_args import engine_arguments, sampling_arguments, scoring_arguments, stop_tokens
from rollout.vllm_jobs import Batch, Job, answer, reject
from rollout.vllm_outputs import SequenceRecord
from rollout.vllm_weights import InProcessWeights

logger = logging.getLogger(__name__)


class InProcessEngine:
    """An ``InferenceEngine``. One at a time in a process (vLLM's state is global); after ``stop`` a new one
    may start."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._version = config.initial_version
        self._inbox: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._sequences: dict[str, tuple[SequenceRecord, Batch, int]] = {}
        """Request id -> record, the call it belongs to, its index there."""
        self._serial = itertools.count()
        self._thread: threading.Thread | None = None
        self._dead: EngineDead | None = None
        self._stopping = False
        self._weights: Any = None  # InProcessWeights, once it is loaded
        self._job: Job | None = None
        """The one that runs, or that the thread died in."""
        self._step_began: float | None = None
        self._step_ended = 0.0
        self._busy_s = 0.0
        self._tokens = 0
        self._sampled = 0
        """Tokens of finished and unfinished sequences."""
        self._vocab_size = 0
        self._llm: Any = None
        self._adapter: Any = None
        """vLLM's LoRARequest if the engine serves base + adapter."""

    @property
    def policy_version(self) -> int:
        """Version of the weights that sample now."""
        return self._version

    def preload(self) -> None:
        """Import vLLM; takes seconds the first time."""
        import vllm.v1.engine.llm_engine  # noqa: F401

    async def start(self) -> None:
        """Load the model in the engine thread. EngineDead, with the cause, if it cannot."""
        assert self._thread is None, "an engine starts once"
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="vllm-engine", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(ready)

    async def generate(self, request: GroupRequest) -> list[Completion]:
        """[G] completions in seed order; see ``InferenceEngine.generate``."""
        check_request(request, max_model_len=self._config.max_model_len, vocab_size=self._vocab_size)
        batch = Batch(Future(), SequenceRecord.completion, group_id=request.group_id)
        try:
            return await self._submit(lambda: self._add_group(request, batch), batch.future)
        except asyncio.CancelledError:
            self._post(Job(lambda: self._abort(batch), Future()))
            raise

    async def stream(self, request: StreamRequest) -> AsyncGenerator[list[TokenDelta], None]:
        """Tokens as the steps bring them; see ``InferenceEngine.stream``."""
        check_stream(request, max_model_len=self._config.max_model_len, vocab_size=self._vocab_size)
        group, deltas = request.group, DeltaQueue()
        batch = Batch(
            Future(),
            SequenceRecord.completion,
            group_id=group.group_id,
            watch=lambda index, output: deltas.put(step_delta(index, output, at=self._step_ended)),
        )
        adding = self._submit(lambda: self._add_group(group, batch, request.sampling_arguments), batch.future)
        finishing = asyncio.ensure_future(adding)
        try:
            async for news in deltas.until(finishing):
                yield news
        finally:
            if not finishing.done():
                finishing.cancel()
                self._post(Job(lambda: self._abort(batch), Future()))

    async def update_weights(self, update: WeightUpdate) -> None:
        """Verify, load, label, clear the caches: one job between two steps; see
        ``InferenceEngine.update_weights``."""
        await self._call(lambda: self._update(update))

    async def sleep(self, level: int) -> None:
        """One job between two steps; see ``InferenceEngine.sleep``."""
        await self._call(lambda: self._weights.sleep(level))

    async def wake(self, update: WeightUpdate | None) -> None:
        """One job too; see ``InferenceEngine.wake``."""
        await self._call(lambda: self._wake(update))

    async def init_weight_transfer(self, init_info: Mapping[str, Any]) -> None:
        """Rendezvous with the trainer (nccl, ipc)."""
        arguments = {"init_info": dict(init_info)}
        await self._call(lambda: self._llm.collective_rpc("init_weight_transfer_engine", kwargs=arguments))

    async def leave_weight_transfer(self) -> None:
        """As ``InferenceEngine.leave_weight_transfer``."""
        await self._call(lambda: self._llm.collective_rpc("shutdown_weight_transfer_engine"))

    async def score(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probs of tokens 1..T-1 of each sequence at temperature 1."""
        for sequence in sequences:
            check_sequence(sequence, max_model_len=self._config.max_model_len, vocab_size=self._vocab_size)
        batch = Batch(Future(), lambda record, _: record.prompt_logprobs)
        return (
            await self._submit(lambda: self._add_scores(sequences, batch), batch.future) if sequences else []
        )

    async def abort(self, group_ids: Sequence[int]) -> None:
        """Drop these groups; their ``generate`` calls raise asyncio.CancelledError."""
        await self._call(lambda: self._abort_groups(set(group_ids)))

    async def progress(self, group_id: int) -> tuple[int, int]:
        """Tokens sampled so far: (of this group, of everything since the start)."""
        # Not in the engine's turn: one step may take longer than who asks will wait.
        self._raise_if_dead()
        sequences = list(self._sequences.values())
        own = next((batch.tokens for _, batch, _ in sequences if batch.group_id == group_id), 0)
        return own, self._sampled

    async def check_health(self) -> None:
        """EngineDead if the thread died, or has been inside one step for longer than ``hang_timeout_s``."""
        self._raise_if_dead()
        began = self._step_began
        if began is not None and time.perf_counter() - began > self._config.hang_timeout_s:
            raise EngineDead(
                f"the engine has been in one step for over hang_timeout_s={self._config.hang_timeout_s:g} s"
            )

    async def stats(self) -> dict[str, float]:
        """Counters and gauges; see ``InferenceEngine.stats``. ``busy_s`` is time inside engine steps."""
        return await self._call(self._stats)

    async def stop(self) -> None:
        """End the thread after the current step; waiting calls raise EngineDead."""
        self._stopping = True
        self._inbox.put(Job(lambda: None, Future()))
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._fail_everything(EngineDead("the engine was stopped"))

    # Below here, and down to _serve: the callers' side of the queue.

    def _raise_if_dead(self) -> None:
        if self._dead is not None:
            raise type(self._dead)(str(self._dead))

    async def _call(self, function: Callable[[], Any]) -> Any:
        future: Future[Any] = Future()
        return await self._submit(lambda: answer(future, function()), future)

    async def _submit(self, run: Callable[[], None], future: Future[Any]) -> Any:
        self._raise_if_dead()
        self._post(Job(run, future))
        return await asyncio.wrap_future(future)

    def _post(self, job: Job) -> None:
        self._inbox.put(job)
        if self._dead is not None:  # it may have died after its last look at the inbox
            self._fail_everything(self._dead)

    # Everything below runs on the engine thread only, except _fail_everything once that thread is gone.

    def _serve(self, ready: Future[None]) -> None:
        try:
            self._load()
            ready.set_result(None)
            while not self._stopping:
                self._turn()
        # the thread's boundary: whatever it was, the callers must hear of it at once
        except Exception as error:
            logger.exception("engine thread died")
            self._dead = EngineFailed(f"the engine died: {type(error).__name__}: {error}")
            if not ready.done():
                ready.set_exception(
                    EngineFailed(f"the engine did not start: {type(error).__name__}: {error}")
                )
        finally:
            self._fail_everything(self._dead or EngineDead("the engine was stopped"))
            self._release()

    def _load(self) -> None:
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        self._llm = LLMEngine.from_engine_args(EngineArgs(**engine_arguments(self._config)))
        self._weights = InProcessWeights(self._llm, self._config)
        self._llm.set_weight_version(str(self._version))
        if self._config.lora_rank:
            from rollout.weight_adapter import adapter_request

            self._llm.collective_rpc("clear_adapter")
            self._adapter = adapter_request()
        self._vocab_size = self._llm.model_config.get_vocab_size()
        # What was imported and loaded stays; without this every full collection walks over it.
        gc.collect()
        gc.freeze()

    def _turn(self) -> None:
        """Run the jobs that wait, blocking for one if there is nothing to step; then one engine step."""
        while not self._stopping and (self._idle or not self._inbox.empty()):
            self._run(self._inbox.get())
        if self._idle:
            return
        began = self._step_began = time.perf_counter()
        # Not LLMEngine.step(): for small models its output processor is a tenth of the cost, for text that
        # nobody reads.
        step = self._llm.engine_core.get_output()
        self._step_ended = time.monotonic()
        for output in step.outputs:
            self._deliver(output, step.weight_version)
        self._step_began = None
        self._busy_s += time.perf_counter() - began

    @property
    def _idle(self) -> bool:
        """Nothing to step, or asleep."""
        return not self._sequences or self._weights.asleep > 0

    def _run(self, job: Job) -> None:
        self._step_began = time.perf_counter()
        self._job = job
        try:
            job.run()
            self._job = None
        except (ValueError, WeightUpdateRefused) as error:
            reject(job.future, error)
            self._job = None
        finally:
            self._step_began = None

    def _add_group(self, request: GroupRequest, batch: Batch, more: Mapping[str, Any] | None = None) -> None:
        from vllm.inputs.engine import tokens_input
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        prompt = list(request.prompt_token_ids)
        # With kept KV, cached prefixes hold old weights' values; the salt keeps new sequences from reading
        # them.
        salt = str(self._version) if self._config.kv_after_update == "keep" else None
        if texts := (*self._config.stop, *request.sampling.stop):
            batch.stops = StopStrings(texts, self._llm.get_tokenizer().decode)
        for seed in request.seeds:
            params = SamplingParams(
                **sampling_arguments(request.sampling, seed)
                | stop_tokens(self._config, request.sampling)
                | dict(more or {}),
                output_kind=RequestOutputKind.FINAL_ONLY,
            )
            self._add(tokens_input(prompt, cache_salt=salt), params, batch)

    def _add_scores(self, sequences: Sequence[Sequence[int]], batch: Batch) -> None:
        from vllm.inputs.engine import tokens_input
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        for sequence in sequences:
            params = SamplingParams(**scoring_arguments(), output_kind=RequestOutputKind.FINAL_ONLY)
            self._add(tokens_input(list(sequence)), params, batch)

    def _add(self, prompt: Any, params: Any, batch: Batch) -> None:
        from vllm.exceptions import VLLMClientError

        request_id = str(next(self._serial))
        try:
            request = self._llm.input_processor.process_inputs(
                request_id,
                prompt,
                params,
                supported_tasks=self._llm.get_supported_tasks(),
                lora_request=self._adapter,
            )
        except VLLMClientError as error:
            self._drop(batch)
            raise ValueError(f"vLLM refused the request: {error}") from error
        request.external_req_id = request_id
        self._llm.engine_core.add_request(request)
        self._sequences[request_id] = (SequenceRecord(), batch, len(batch.results))
        batch.request_ids.append(request_id)
        batch.results.append(None)
        batch.remaining += 1

    def _deliver(self, output: Any, version: str) -> None:
        if output.request_id not in self._sequences:  # aborted
            return
        record, batch, index = self._sequences[output.request_id]
        record.add(output, version)
        if batch.stops is not None:
            self._end_at_stop(output, record, batch.stops)
        if batch.watch is not None:
            batch.watch(index, output)
        batch.tokens += len(output.new_token_ids)
        self._sampled += len(output.new_token_ids)
        if output.finish_reason is None:
            return
        del self._sequences[output.request_id]
        batch.results[index] = batch.convert(record, str(output.finish_reason))
        batch.remaining -= 1
        self._tokens += len(record.logprobs)
        if not batch.remaining:
            answer(batch.future, batch.results)

    def _end_at_stop(self, output: Any, record: SequenceRecord, stops: StopStrings) -> None:
        """Finish a sequence whose text holds a stop string now; vLLM's core knows tokens alone."""
        from vllm.v1.engine import FinishReason

        end = stops.end(record.token_ids, len(output.new_token_ids))
        if end is None:
            return
        record.cut(end)
        if output.finish_reason is None:
            self._llm.engine_core.abort_requests([output.request_id])
        output.finish_reason = FinishReason.STOP

    def _abort_groups(self, group_ids: set[int]) -> None:
        for batch in {id(b): b for _, b, _ in self._sequences.values() if b.group_id in group_ids}.values():
            self._abort(batch)

    def _abort(self, batch: Batch) -> None:
        self._drop(batch)
        batch.future.cancel()

    def _drop(self, batch: Batch) -> None:
        self._llm.engine_core.abort_requests(
            [i for i in batch.request_ids if self._sequences.pop(i, None) is not None]
        )

    def _update(self, update: WeightUpdate) -> None:
        self._weights.load(update)
        self._version = update.version

    def _wake(self, update: WeightUpdate | None) -> None:
        self._weights.wake(update)
        self._version = self._version if update is None else update.version

    def _stats(self) -> dict[str, float]:
        scheduler = self._llm.engine_core.engine_core.scheduler
        running, waiting = scheduler.get_request_counts()
        return {
            "busy_s": self._busy_s,
            "generated_tokens": float(self._tokens),
            "running_seqs": float(running),
            "waiting_seqs": float(waiting),
            "kv_usage": float(scheduler.kv_cache_manager.usage),
        }

    def _fail_everything(self, error: EngineDead) -> None:
        self._dead = error
        futures = [batch.future for _, batch, _ in self._sequences.values()]
        if self._job is not None:
            futures.append(self._job.future)
        self._sequences.clear()
        while not self._inbox.empty():
            try:
                futures.append(self._inbox.get_nowait().future)
            except queue.Empty:  # another caller drains it too
                break
        for future in futures:
            reject(future, type(error)(str(error)))

    def _release(self) -> None:
        if self._llm is None:
            return
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

        self._llm.engine_core.shutdown()
        self._llm = None
        gc.unfreeze()
        cleanup_dist_env_and_memory()
