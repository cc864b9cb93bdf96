"""Tiny random models, a Ray actor that can run one engine after the other, and the Hugging Face model as the
judge."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rollout.engine import EngineConfig, WeightUpdate
from rollout.streaming import StreamRequest, TokenDelta
from rollout.weight_buffer import WeightBuffer, plan_layout
from tests.integration.rollout.helpers import EOS, MAX_MODEL_LEN, VOCAB, Handle


def build_model(path: Path, *, seed: int, tied: bool) -> Path:
    """172k parameters, random but far from uniform. The untied ones can end a sequence; the tied ones know no
    end token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=3,  # heads of 32: vLLM's CPU attention has no kernel for 16
        num_key_value_heads=1,
        max_position_embeddings=MAX_MODEL_LEN,
        initializer_range=0.2,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=None if tied else EOS,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    words = {"<bos>": 0, "<eos>": EOS, "<pad>": 2} | {f"t{i}": i for i in range(3, VOCAB)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"bos_token": "<bos>", "pad_token": "<pad>"} | ({} if tied else {"eos_token": "<eos>"})
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints ``{tied,untied}-{old,new}``."""
    names = ("tied-old", "tied-new", "untied-old", "untied-new")
    root = tmp_path_factory.mktemp("models")
    return {
        name: build_model(root / name, seed=i, tied=name.startswith("tied")) for i, name in enumerate(names)
    }


@pytest.fixture(scope="session")
def judge(models: dict[str, Path]) -> Callable[..., np.ndarray]:
    """``judge(name, prompt, completion ids, temperature)`` -> [L] float32 log-probs by transformers; [L, V]
    if ``table``."""
    from transformers import AutoModelForCausalLM

    loaded: dict[str, Any] = {}

    def logprobs(
        name: str,
        prompt: tuple[int, ...],
        token_ids: np.ndarray,
        temperature: float = 1.0,
        *,
        table: bool = False,
    ) -> np.ndarray:
        if name not in loaded:
            loaded[name] = AutoModelForCausalLM.from_pretrained(models[name], dtype=torch.float32).eval()
        ids = torch.tensor([[*prompt, *token_ids.tolist()]])
        with torch.no_grad():
            logits = loaded[name](ids).logits[0, len(prompt) - 1 : -1] / temperature
        full = torch.log_softmax(logits, -1)
        return (full if table else full.gather(1, ids[0, len(prompt) :, None])[:, 0]).numpy()

    return logprobs


@pytest.fixture(scope="module")
def host() -> Iterator[Any]:
    """A Ray actor holding a RolloutWorker that can be given a new engine (``swap``), plus doors for the tests
    to break it."""
    import ray

    from rollout.worker import RolloutWorker

    class Host(RolloutWorker):
        def __init__(self) -> None:
            super().__init__(EngineConfig(model=""))

        async def swap(self, config: EngineConfig) -> dict[str, float | str]:
            await self.stop()
            super().__init__(config)
            return await self.start()

        async def stream_all(self, request: StreamRequest) -> list[TokenDelta]:
            return [delta async for deltas in self.stream(request) for delta in deltas]

        async def stream_first(self, request: StreamRequest) -> int:
            """Close the stream after its first news; how many tokens those had."""
            async with aclosing(self.stream(request)) as news:
                deltas = await anext(news)
            await asyncio.sleep(0.5)
            return sum(len(delta.tokens.ids) for delta in deltas)

        async def children(self) -> list[int]:
            import psutil

            return [
                p.pid
                for p in psutil.Process().children(recursive=True)
                if "resource_tracker" not in " ".join(p.cmdline())
            ]

        async def on_engine_thread(self, function: Callable[[Any], Any]) -> Any:
            return await self._engine._call(lambda: function(self._engine._llm))

        async def in_process(self, function: Callable[[], Any]) -> Any:
            return function()

    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=200 << 20,
        log_to_driver=False,
        logging_level="ERROR",
    )
    groups = {"generate": 2000, "control": 8}
    actor = ray.remote(num_cpus=1, concurrency_groups=groups)(Host).remote()
    yield Handle(actor)
    ray.get(actor.stop.options(concurrency_group="control").remote(), timeout=30)
    ray.shutdown()


@pytest.fixture
def config(models: dict[str, Path]) -> Callable[..., EngineConfig]:
    """``config("tied-old", **overrides)``."""

    def make(name: str, **overrides: Any) -> EngineConfig:
        return EngineConfig(
            **{"model": str(models[name]), "max_model_len": MAX_MODEL_LEN, "kv_cache_mib": 64} | overrides
        )

    return make


versions = itertools.count(1)


@pytest.fixture
def publish(models: dict[str, Path], tmp_path: Path) -> Callable[..., WeightUpdate]:
    """``publish("tied-new")`` writes that checkpoint to a fresh buffer, under the next version."""
    from safetensors.torch import load_file

    def write(name: str, *, leave_out: str = "") -> WeightUpdate:
        tensors = {n: t for n, t in load_file(models[name] / "model.safetensors").items() if n != leave_out}
        specs = plan_layout(
            (n, str(t.dtype).removeprefix("torch."), tuple(t.shape)) for n, t in tensors.items()
        )
        version = next(versions)
        buffer = WeightBuffer.create(tmp_path / f"weights-{version}", specs)
        for n, t in tensors.items():
            buffer.write(n, t)
        return WeightUpdate(
            version=version, transport="shm", path=str(buffer.path), tensors=specs, checksum=buffer.checksum()
        )

    return write
