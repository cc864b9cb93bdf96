"""The one adapter that an engine serves beside its base: vLLM's LoRA runtime, filled from pushed tensors
instead of files.

Every request names this adapter from the start, so that sequences in flight go on under a new one. Until the
first push it is zero, which is the base. vLLM keys prefixes by the adapter's name, which never changes:
whoever fills the slot must clear the caches.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from vllm.lora.lora_model import LoRAModel
from vllm.lora.peft_helper import PEFTHelper
from vllm.lora.request import LoRARequest
from vllm.lora.utils import parse_fine_tuned_lora_name

ADAPTER_ID = 1
NOWHERE = "/nonexistent/adapters-are-pushed-not-read"
"""vLLM reads this path only if the slot is empty, which must fail and not serve the base in silence."""
PARTS = (".lora_A.weight", ".lora_B.weight")


def adapter_request() -> LoRARequest:
    """Return the request that runs on base + adapter."""
    return LoRARequest(lora_name="policy", lora_int_id=ADAPTER_ID, lora_path=NOWHERE)


def clear_adapter(model: Any) -> None:
    """Put zeros into the slot: the base."""
    _fill(model.lora_manager, model.lora_manager.create_dummy_lora(ADAPTER_ID, 1, model.embedding_modules))


def load_adapter(model: Any, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
    """Put these tensors into the slot: MODULE.lora_A.weight [r, in] and MODULE.lora_B.weight [out, r], which
    includes the scaling.

    They are copied. RuntimeError if vLLM left one of them out.
    """
    manager = model.lora_manager
    # Cloned, because vLLM keeps what it is given and the buffer is written again.
    own = {name: tensor.clone() for name, tensor in tensors}
    rank = max(tensor.shape[0] for name, tensor in own.items() if name.endswith(PARTS[0]))
    adapter = LoRAModel.from_lora_tensors(
        ADAPTER_ID,
        own,
        PEFTHelper(r=rank, lora_alpha=rank, target_modules=[]),  # alpha = r: a scaling of 1
        device="cpu",
        dtype=manager.lora_config.lora_dtype,
        weights_mapper=_renaming(model),
    )
    _fill(manager, adapter)
    lost = sorted(adapter.loras.keys() - manager.modules.keys())
    if lost:
        raise RuntimeError(f"vLLM has no place for the adapter of {lost[0]} ({len(lost)} modules)")


def _fill(manager: Any, adapter: LoRAModel) -> None:
    manager.remove_adapter(ADAPTER_ID)
    manager.add_adapter(adapter)
    manager.activate_adapter(ADAPTER_ID)


def _renaming(model: Any) -> Any:
    """vLLM's map from Hugging Face names to its own, for the models that have one."""
    mapper = getattr(model, "hf_to_vllm_mapper", None)
    return None if mapper is None else mapper.get_rename_mapper()


def adapter_problem(
    model: Any, sent: Mapping[str, tuple[int, ...]], weights: Mapping[str, tuple[int, ...]]
) -> str:
    """'' if the slot can hold tensors of these shapes, else why not. ``weights``: the checkpoint's shapes,
    empty if unknown."""
    manager = model.lora_manager
    served = {name for module in manager.modules for name in manager.packed_modules.get(module, [module])}
    largest = manager.lora_config.max_lora_rank
    odd = [name for name in sent if not name.endswith(PARTS)]
    if odd:
        return f"tensors: {odd[0]} is no part of a LoRA adapter"
    for name in sent:
        module = name.removesuffix(PARTS[0]).removesuffix(PARTS[1])
        if parse_fine_tuned_lora_name(name, _renaming(model))[0] not in served:
            return f"tensors: the engine cannot serve an adapter of {module}"
        down, up = (sent.get(module + part, ()) for part in PARTS)
        out_in = weights.get(f"{module}.weight", (*up[:1], *down[1:]))
        if len(down) != 2 or len(up) != 2 or down[0] != up[1] or (up[0], down[1]) != out_in:
            return f"tensors: the adapter of {module} has shapes {down} and {up}, its weight is {out_in}"
        if down[0] > largest:
            return (
                f"tensors: the adapter of {module} has rank {down[0]}, the engine was started for {largest}"
            )
    return ""
