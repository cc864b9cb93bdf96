"""vLLM's ``AsyncLLM``: the engine core in a process of its own, so several GPUs can serve one model and the
actor stays free.

``AsyncLLM`` belongs to one event loop, and Ray gives each concurrency group another, so the engine keeps a
loop in a thread of its own and every method crosses over to it.
"""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, TypeVar

from rollout.engine import EngineConfig, EngineDead, EngineFailed, WeightUpdate, WeightUpdateRefused
from rollout.requests import check_request, check_sequence, check_stream
from rollout.streaming import DeltaQueue, StreamRequest, TokenDelta, output_delta
from rollout.types import Completion, GroupRequest
from rollout.vllm_args import (
    engine_arguments,
    load_calls,
    sampling_arguments,
    scoring_arguments,
    stop_arguments,
    update_payload,
)
from rollout.vllm_outputs import completion_of, prompt_logprobs_of

T = TypeVar("T")


class AsyncEngine:
    """An ``InferenceEngine`` over ``AsyncLLM``."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._version = config.initial_version
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="vllm-client", daemon=True)
        self._dead: EngineDead | None = None
        self._serial = itertools.count()
        self._groups: dict[int, set[str]] = {}
        self._updating = asyncio.Lock()
        self._asleep = 0
        """Level of the sleep; 0 = awake."""
        self._ending: asyncio.Task[None] | None = None
        self._load = _Load()
        self._tokens = 0
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
        import vllm.v1.engine.async_llm  # noqa: F401

    async def start(self) -> None:
        """Start the engine core and wait until it has loaded. EngineDead, with the cause, if it cannot."""
        self._thread.start()
        try:
            await self._cross(self._start())
        except (RuntimeError, ValueError, OSError) as error:
            self._dead = EngineFailed(f"the engine did not start: {type(error).__name__}: {error}")
            await self.stop()
            raise self._dead from error

    async def generate(self, request: GroupRequest) -> list[Completion]:
        """[G] completions in seed order; see ``InferenceEngine.generate``."""
        check_request(request, max_model_len=self._config.max_model_len, vocab_size=self._vocab_size)
        outputs = await self._cross(self._generate(request))
        completions = [completion_of(output.outputs[0]) for output in outputs]
        self._tokens += sum(len(c.token_ids) for c in completions)
        return completions

    async def stream(self, request: StreamRequest) -> AsyncGenerator[list[TokenDelta], None]:
        """Tokens as the engine core sends them; see ``InferenceEngine.stream``."""
        check_stream(request, max_model_len=self._config.max_model_len, vocab_size=self._vocab_size)
        deltas = DeltaQueue()

        def watch(index: int, output: Any) -> None:
            deltas.put(output_delta(index, output, request))
            self._tokens += len(output.outputs[0].token_ids)

        answer = asyncio.ensure_future(
            self._cross(self._generate(request.group, request.sampling_arguments, watch))
        )
        try:
            async for news in deltas.until(answer):
                yield news
        finally:
            answer.cancel()  # AsyncLLM drops a request whose reader is cancelled

    async def update_weights(self, update: WeightUpdate) -> None:
        """Verify on every worker, pause (sequences stay), load, label, resume; see
        ``InferenceEngine.update_weights``."""
        await self._cross(self._update(update))

    async def sleep(self, level: int) -> None:
        """Pause (sequences stay) and leave the device; see ``InferenceEngine.sleep``."""
        await self._cross(self._sleep(level))

    async def wake(self, update: WeightUpdate | None) -> None:
        """Come back, load, resume; see ``InferenceEngine.wake``."""
        await self._cross(self._wake(update))

    async def init_weight_transfer(self, init_info: Mapping[str, Any]) -> None:
        """Rendezvous with the trainer (nccl, ipc)."""
        await self._cross(self._rpc("init_weight_transfer_engine", {"init_info": dict(init_info)}))

    async def leave_weight_transfer(self) -> None:
        """As ``InferenceEngine.leave_weight_transfer``."""
        await self._cross(self._rpc("shutdown_weight_transfer_engine"))

    async def score(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probs of tokens 1..T-1 of each sequence at temperature 1."""
        for sequence in sequences:
            check_sequence(sequence, max_model_len=self._config.max_model_len, vocab_size=self._vocab_size)
        return await self._cross(self._score(sequences))

    async def abort(self, group_ids: Sequence[int]) -> None:
        """Drop these groups; their ``generate`` calls raise asyncio.CancelledError."""
        await self._cross(self._abort(group_ids))

    async def progress(self, group_id: int) -> tuple[int, int]:
        """Tokens sampled so far: (of this group, of everything). Sequences that end leave both counts until
        their group does."""
        return await self._cross(self._progress(group_id))

    async def check_health(self) -> None:
        """EngineDead if the engine core is gone."""
        await self._cross(self._check_health())

    async def stats(self) -> dict[str, float]:
        """Counters and gauges; see ``InferenceEngine.stats``.

        The engine core is another process: ``busy_s`` is the time with at least one sequence in flight,
        running and waiting are told apart by ``max_num_seqs`` alone, and ``kv_usage`` is unknown (NaN).
        """
        if self._dead is not None:
            raise EngineDead(str(self._dead))
        running = min(self._load.sequences, self._config.max_num_seqs)
        return {
            "busy_s": self._load.busy_s(),
            "generated_tokens": float(self._tokens),
            "running_seqs": float(running),
            "waiting_seqs": float(self._load.sequences - running),
            "kv_usage": float("nan"),
        }

    async def stop(self) -> None:
        """Shut the engine core down and end the loop; waiting calls raise EngineDead."""
        self._dead = self._dead or EngineDead("the engine was stopped")
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop)
        await asyncio.to_thread(self._thread.join)

    async def _cross(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the engine's loop; whatever says that the engine died becomes EngineDead."""
        if self._dead is not None:
            work.close()
            raise EngineDead(str(self._dead))
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
        except EngineDeadError as error:
            self._dead = self._dead or EngineDead("the engine core died; its own log has the cause")
            raise EngineDead(str(self._dead)) from error
        except (asyncio.CancelledError, RuntimeError):
            if self._dead is not None:  # stopping cancels what still waits, then closes the loop
                raise EngineDead(str(self._dead)) from None
            raise

    def _run_loop(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(_cancel_tasks())  # of calls that came in while it stopped
        self._loop.close()

    # Everything below runs on the engine's loop.

    async def _start(self) -> None:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**engine_arguments(self._config)))
        await self._llm.update_weight_version(str(self._version))
        if self._config.lora_rank:
            from rollout.weight_adapter import adapter_request

            await self._rpc("clear_adapter")
            self._adapter = adapter_request()
        self._vocab_size = self._llm.model_config.get_vocab_size()

    async def _stop(self) -> None:
        if self._llm is not None:
            self._llm.shutdown()
        await _cancel_tasks()
        self._llm = None
        self._loop.stop()

    async def _generate(
        self,
        request: GroupRequest,
        more: Mapping[str, Any] | None = None,
        watch: Callable[[int, Any], None] | None = None,
    ) -> list[Any]:
        """[G] final ``RequestOutput``s; with ``watch`` every output holds only its news, and goes there
        too."""
        from vllm.inputs.engine import tokens_input

        prompt = list(request.prompt_token_ids)
        # With kept KV, cached prefixes hold old weights' values; the salt keeps new sequences from reading
        # them.
        salt = str(self._version) if self._config.kv_after_update == "keep" else None
        ids = [str(next(self._serial)) for _ in request.seeds]
        in_flight = self._groups.setdefault(request.group_id, set())
        in_flight.update(ids)
        try:
            with self._load.of(len(ids)):
                return await asyncio.gather(
                    *(
                        self._sequence(
                            i,
                            tokens_input(prompt, cache_salt=salt),
                            sampling_arguments(request.sampling, seed)
                            | stop_arguments(self._config, request.sampling)
                            | dict(more or {}),
                            None if watch is None else partial(watch, index),
                        )
                        for index, (i, seed) in enumerate(zip(ids, request.seeds, strict=True))
                    )
                )
        finally:
            in_flight.difference_update(ids)
            if not in_flight:
                self._groups.pop(request.group_id, None)

    async def _score(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        from vllm.inputs.engine import tokens_input

        ids = [str(next(self._serial)) for _ in sequences]
        with self._load.of(len(ids)):
            outputs = await asyncio.gather(
                *(
                    self._sequence(i, tokens_input(list(sequence)), scoring_arguments())
                    for i, sequence in zip(ids, sequences, strict=True)
                )
            )
        return [prompt_logprobs_of(output) for output in outputs]

    async def _sequence(
        self,
        request_id: str,
        prompt: Any,
        arguments: dict[str, Any],
        watch: Callable[[Any], None] | None = None,
    ) -> Any:
        """The final ``RequestOutput`` of one sequence. ValueError if vLLM refuses it, CancelledError if it
        was aborted."""
        from vllm.exceptions import VLLMClientError
        from vllm.sampling_params import RequestOutputKind, SamplingParams

        kind = RequestOutputKind.FINAL_ONLY if watch is None else RequestOutputKind.DELTA
        params = SamplingParams(**arguments, output_kind=kind)
        final = None
        try:
            async for output in self._llm.generate(prompt, params, request_id, lora_request=self._adapter):
                final = output
                if watch is not None and output.outputs[0].finish_reason != "abort":
                    watch(output)
        except VLLMClientError as error:
            raise ValueError(f"vLLM refused the request: {error}") from error
        assert final is not None, "vLLM ended a request without an output"
        if final.outputs[0].finish_reason == "abort":
            raise asyncio.CancelledError
        return final

    async def _abort(self, group_ids: Sequence[int]) -> None:
        ids = [i for group_id in group_ids for i in self._groups.get(group_id, ())]
        if ids:
            await self._llm.abort(ids)

    async def _progress(self, group_id: int) -> tuple[int, int]:
        ids = self._groups.get(group_id, set())
        own = total = 0
        for state in self._llm.output_processor.request_states.values():
            tokens = state.detokenizer.num_output_tokens()
            total += tokens
            own += tokens if state.external_req_id in ids else 0
        return own, total + self._tokens

    async def _check_health(self) -> None:
        await self._llm.check_health()

    async def _rpc(self, method: str, arguments: Mapping[str, Any] | None = None) -> list[Any]:
        return await self._llm.collective_rpc(method, kwargs=dict(arguments or {}))

    async def _update(self, update: WeightUpdate) -> None:
        clear = self._config.kv_after_update == "clear"
        async with self._updating:
            await self._verify(update)
            async with self._or_dead(f"loading version {update.version}"):
                await self._llm.pause_generation(mode="keep", clear_cache=clear)
                await self._load_update(update)
                await self._llm.resume_generation()

    async def _verify(self, update: WeightUpdate) -> None:
        payload = {"update_info": update_payload(update)}
        problems = {p for p in await self._rpc("verify_weight_update", payload) if p}
        if problems:
            raise WeightUpdateRefused(f"version {update.version}: {'; '.join(sorted(problems))}")

    async def _load_update(self, update: WeightUpdate) -> None:
        for method, arguments in load_calls(update):
            await self._rpc(method, arguments)
        await self._llm.update_weight_version(str(update.version))
        self._version = update.version

    @asynccontextmanager
    async def _or_dead(self, what: str) -> AsyncIterator[None]:
        """Half-loaded weights must never serve, and a paused engine never answers: whatever fails inside the
        block, be dead for everyone."""
        try:
            yield
        except BaseException as error:
            self._dead = EngineDead(f"{what} failed: {type(error).__name__}: {error}")
            self._ending = asyncio.create_task(self._stop())
            raise self._dead from error

    async def _sleep(self, level: int) -> None:
        async with self._updating, self._or_dead("going to sleep"):
            if self._asleep:
                return
            await self._llm.sleep(level=level, mode="keep")
            if level == 2 and self._config.device == "cpu":
                await self._rpc("spoil_weights")
            self._asleep = level

    async def _wake(self, update: WeightUpdate | None) -> None:
        async with self._updating, self._or_dead("waking up"):
            if update is None:
                assert self._asleep != 2, "an engine that slept at level 2 wakes up with new weights only"
                await self._llm.wake_up()
            else:
                assert self._asleep, "an engine that is awake is pushed to"
                await self._llm.wake_up(["weights"])  # the scheduler stays paused until all is back
                await self._verify(update)
                await self._load_update(update)
                await self._llm.wake_up(["kv_cache"])
            self._asleep = 0


async def _cancel_tasks() -> None:
    """Cancel every other task of this loop and wait until they have ended."""
    await asyncio.sleep(0)
    waiting = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


class _Load:
    """How many sequences are in flight, and for how long that was more than none."""

    def __init__(self) -> None:
        self.sequences = 0
        self._busy_s = 0.0
        self._since = 0.0

    @contextmanager
    def of(self, count: int) -> Iterator[None]:
        """A context in which ``count`` more sequences are in flight."""
        self.change(count)
        try:
            yield
        finally:
            self.change(-count)

    def change(self, count: int) -> None:
        """Add (or, if negative, remove) sequences."""
        now = time.perf_counter()
        if self.sequences:
            self._busy_s += now - self._since
        self._since = now
        self.sequences += count

    def busy_s(self) -> float:
        """Seconds so far with at least one sequence in flight."""
        return self._busy_s + (time.perf_counter() - self._since if self.sequences else 0.0)
