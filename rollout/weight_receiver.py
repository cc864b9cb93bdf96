"""The receiving end of a weight push, inside every vLLM worker.

Importing this module (vLLM does, because ``WeightReceiver`` is its ``worker_extension_cls``, before the model
is loaded) registers the shared-memory transport, keeps CPU weights unpacked and ties the process to its
parent. Transports nccl and ipc are vLLM's own: they send from GPU to GPU, so no bytes are hashed on the way
and the engine-learner log-prob probe is their check. They have not been run on hardware.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from vllm import _custom_ops
from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)
from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
from vllm.model_executor.layers import utils as layer_utils
from vllm.platforms import current_platform

from rollout.checkpoint_weights import weight_shapes
from rollout.engine import TensorSpec
from rollout.parent_process import end_with_parent
from rollout.weight_adapter import adapter_problem, clear_adapter, load_adapter
from rollout.weight_buffer import WeightBuffer
from rollout.weight_copies import Copies, recorded_copies
from rollout.weight_derived import Derived

TIED_HEADS = {"lm_head.weight", "embed_out.weight"}


def keep_weights_unpacked() -> None:
    """Switch off the CPU kernels that repack weights at load time, because a packed weight cannot be
    overwritten.

    oneDNN packing empties ``weight`` (``load_weights`` then fails), and vLLM's reload path re-packs every
    layer but a tied ``lm_head``, which goes on with the old weights in silence. The AMX path packs the same
    way.
    """
    _custom_ops._supports_onednn = False
    layer_utils.check_cpu_sgl_kernel = _never


def _never(*_: object) -> bool:
    return False


@dataclass
class SharedMemoryInit(WeightTransferInitInfo):
    """Nothing: each update names its file."""


@dataclass
class SharedMemoryUpdate(WeightTransferUpdateInfo):
    """One published set of weights (``rollout.vllm_args.update_payload``)."""

    path: str
    tensors: list[list[Any]]
    """Rows of ``TensorSpec`` fields: name, dtype, shape, offset, num_bytes."""
    checksum: str
    adapter: bool = False
    """The tensors are an adapter's, for an engine that serves base + adapter."""

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """The rows as ``TensorSpec``."""
        return tuple(
            TensorSpec(name=name, dtype=dtype, shape=tuple(shape), offset=offset, num_bytes=num_bytes)
            for name, dtype, shape, offset, num_bytes in self.tensors
        )


class SharedMemoryEngine(WeightTransferEngine[SharedMemoryInit, SharedMemoryUpdate]):
    """Reads a ``WeightBuffer`` of this node and loads it in place: ``verify`` first, on every worker, then
    ``receive_weights``."""

    init_info_cls = SharedMemoryInit
    update_info_cls = SharedMemoryUpdate

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._verified: WeightBuffer | None = None
        self._checksum = ""
        self._open: list[WeightBuffer] = []
        """The newest two: a file that is mapped anew costs a page fault every few pages."""
        self._copies: Copies | None = None
        """Copies of the last load, from a buffer of ``_copied_layout``; None if it did more than copy."""
        self._copied_layout: tuple[TensorSpec, ...] = ()
        self._derived: Derived | None = None
        """From the first push on."""
        empty = [name for name, parameter in self.model.named_parameters() if not parameter.numel()]
        if empty:
            raise ValueError(
                f"weight_transfer: shm cannot update packed weights such as {empty[0]}; load the model"
                " unpacked"
            )
        self._expected = weight_shapes(Path(self.model_config.model), self.model_config.hf_config)
        self._tied = bool(getattr(self.model_config.hf_config, "tie_word_embeddings", False))
        self._serves_adapter = self.vllm_config.lora_config is not None

    def verify(self, update_info: dict[str, Any]) -> str:
        """Open the buffer, check its layout against the checkpoint and hash every byte. '' if good, else why
        not; loads nothing."""
        self._verified = None
        update = self.parse_update_info(update_info)
        if update.adapter != self._serves_adapter:
            serves, sent = (("base + adapter", "merged weights"), ("merged weights", "an adapter"))[
                update.adapter
            ]
            return (
                f"adapter: the engine was started for {serves} and was sent {sent}; learner.lora.push must be"
                " what it was then"
            )
        try:
            buffer = self._mapped(update)
        except (ValueError, OSError) as error:
            return str(error)
        shapes = {t.name: t.shape for t in update.specs}
        problem = (
            adapter_problem(self.model, shapes, self._expected)
            if update.adapter
            else self._layout_problem(shapes)
        )
        if problem:
            return problem
        actual = buffer.checksum()
        if actual != update.checksum:
            return f"checksum: {update.path} hashes to {actual}, the sender said {update.checksum}"
        self._verified, self._checksum = buffer, update.checksum
        return ""

    def _mapped(self, update: SharedMemoryUpdate) -> WeightBuffer:
        """The buffer of a push; a sender's two files take turns, and stay mapped."""
        known = [buffer for buffer in self._open if buffer.is_file(update.path, update.specs)]
        buffer = known[0] if known else WeightBuffer.open(update.path, update.specs)
        others = [one for one in self._open if one is not buffer]
        for one in others[:-1]:
            one.close()
        self._open = [*others[-1:], buffer]
        return buffer

    def _layout_problem(self, sent: dict[str, tuple[int, ...]]) -> str:
        expected = self._expected
        if self._tied:
            expected = {
                name: shape for name, shape in expected.items() if name in sent or name not in TIED_HEADS
            }
        missing = sorted(expected.keys() - sent.keys())
        if missing:
            return (
                f"tensors: the push lacks {len(missing)} of {len(expected)} tensors, {missing[0]} among them"
            )
        # A tied head may be sent although the checkpoint leaves it out; anything else unknown is a mistake.
        unknown = (
            sorted(sent.keys() - expected.keys() - (TIED_HEADS if self._tied else set())) if expected else []
        )
        if unknown:
            return f"tensors: the model has no {unknown[0]}"
        wrong = [name for name, shape in expected.items() if sent[name] != shape]
        return (
            f"tensors: {wrong[0]} has shape {sent[wrong[0]]}, the model's is {expected[wrong[0]]}"
            if wrong
            else ""
        )

    def init_transfer_engine(self, init_info: SharedMemoryInit) -> None:
        """Nothing to connect."""

    def start_weight_update(self) -> None:
        """Nothing to prepare: weights are overwritten in place."""

    def finish_weight_update(self) -> None:
        """Nothing to finalise."""

    def receive_weights(self, update_info: SharedMemoryUpdate) -> None:
        """Load the buffer that ``verify`` accepted. RuntimeError if it is another one, or if a parameter
        stayed as it was."""
        buffer = self._take_verified(update_info)
        if self._derived is None:
            self._derived = Derived(self.model, self.model_config.dtype)
        with self._derived.loadable():
            known = self._copies if self._copied_layout == buffer.layout else None
            if known is not None and known.fit(self.model):
                known.make(buffer)
            else:
                self._load(buffer, again=not self._derived.moves)

    def _load(self, buffer: WeightBuffer, *, again: bool) -> None:
        """By the model's own ``load_weights``; its copies are kept if they can be made ``again``."""
        with recorded_copies(self.model, buffer) as found:
            loaded = self.model.load_weights(buffer.tensors())
        stale = sorted(name for name, _ in self.model.named_parameters() if name not in loaded)
        if stale:
            raise RuntimeError(f"the push did not reach {', '.join(stale[:3])} ({len(stale)} parameters)")
        self._copies, self._copied_layout = found[0] if found and again else None, buffer.layout

    def receive_adapter(self, update_info: dict[str, Any]) -> None:
        """Fill the adapter's slot from the buffer that ``verify`` accepted; RuntimeError as in
        ``receive_weights``."""
        buffer = self._take_verified(self.parse_update_info(update_info))
        load_adapter(self.model, buffer.tensors())

    def _take_verified(self, update_info: SharedMemoryUpdate) -> WeightBuffer:
        buffer, self._verified = self._verified, None
        if buffer is None or self._checksum != update_info.checksum:
            raise RuntimeError("a push was to be loaded that was not verified just before")
        return buffer

    def shutdown(self) -> None:
        """Drop the mappings, if any."""
        for buffer in self._open:
            buffer.close()
        self._open, self._verified, self._copies = [], None, None


class WeightReceiver:
    """Mixed into the vLLM worker: methods that engines call by name through ``collective_rpc``."""

    weight_transfer_engine: WeightTransferEngine | None

    def verify_weight_update(self, update_info: dict[str, Any]) -> str:
        """'' if this worker would accept the push, else the reason. Transports without a check accept
        everything."""
        engine = self.weight_transfer_engine
        return engine.verify(update_info) if isinstance(engine, SharedMemoryEngine) else ""

    def load_adapter(self, update_info: dict[str, Any]) -> None:
        """Serve the adapter of a verified push. Not one of vLLM's weight updates, because those end by
        dropping every adapter."""
        assert isinstance(self.weight_transfer_engine, SharedMemoryEngine), (
            "the config allows adapters through shm only"
        )
        self.weight_transfer_engine.receive_adapter(update_info)

    def clear_adapter(self) -> None:
        """Serve the base, through an adapter of zeros; once, before the first request."""
        assert self.weight_transfer_engine is not None
        clear_adapter(self.weight_transfer_engine.model)

    def spoil_weights(self) -> None:
        """Make every weight NaN: on a CPU, where vLLM drops none, for a sleep at level 2."""
        assert self.weight_transfer_engine is not None
        with torch.no_grad():
            for parameter in self.weight_transfer_engine.model.parameters():
                if parameter.is_floating_point():
                    parameter.fill_(float("nan"))


end_with_parent()
if current_platform.is_cpu():
    keep_weights_unpacked()
if "shm" not in WeightTransferEngineFactory._registry:
    WeightTransferEngineFactory.register_engine("shm", SharedMemoryEngine)
