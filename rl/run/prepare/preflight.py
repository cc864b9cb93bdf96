"""Check a base before any actor starts: it must be readable, whole, known to transformers and vLLM, and ended
by some token."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rl.config.model import trusts_code
from rl.config.number_format import bfloat16_is_fast
from rl.config.schema import Config
from rl.config.sections import RolloutConfig
from rl.learner.dropout import dropout_note, silence_config
from rollout.checkpoint_shapes import INDEX, checkpoint_files, checkpoint_shapes
from rollout.checkpoint_weights import weight_shapes
from rollout.types import Prompt

CPU_HEAD_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
"""Head sizes of vLLM's CPU attention (``CPUAttentionBackend.get_supported_head_sizes``)."""
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "tokenizer_config.json",
    "*.tiktoken",
)
LATENT = "kv_lora_rank"
"""Config field of models with latent attention (MLA)."""
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
"""Config fields of mixtures of experts."""
VERSIONS_IN_STORE = 2
"""One that engines hold on to, and the next."""
BATCHES_MIB = 128
"""Left for training batches beside them."""


def load_tokenizer(model_path: Path, *, trust: bool = False) -> Any:
    """The base's tokenizer. ValueError if its files are missing, or transformers cannot make one of them."""
    from transformers import AutoTokenizer

    if not any(file for pattern in TOKENIZER_FILES for file in model_path.glob(pattern)):
        raise ValueError(
            f"model.path: {model_path} holds no tokenizer ({', '.join(TOKENIZER_FILES[:3])}, ...); copy the"
            " tokenizer files of its base there"
        )
    try:
        return AutoTokenizer.from_pretrained(model_path, trust_remote_code=trust)
    except (OSError, ValueError, KeyError, ImportError, json.JSONDecodeError) as error:
        raise ValueError(
            f"model.path: transformers cannot load the tokenizer of {model_path} ({_first_line(error)}); copy"
            " all tokenizer files of its base there"
        ) from error


def check_model(config: Config, model_path: Path, tokenizer: Any) -> list[str]:
    """Refuse a base that would fail later; returns what to say of one that is taken.

    Raises:
        ValueError: naming the field and the fix.
    """
    base = check_base(model_path, tokenizer, trust=trusts_code(config.model))
    check_end_token(model_path, base, tokenizer)
    rows = base.get_text_config().vocab_size
    beyond = [one for one in config.rollout.stop_token_ids if one >= rows]
    if beyond:
        raise ValueError(
            f"rollout.stop_token_ids: {beyond[0]} is no token of {model_path}, whose ids end at {rows - 1}"
        )
    check_engine(config.rollout, base)
    check_store(config, model_path)
    return dropout_note(silence_config(base))


def check_base(model_path: Path, tokenizer: Any, *, trust: bool = False) -> Any:
    """Check what any training asks of a base; return its config. ValueError as in ``check_model``."""
    base = load_config(model_path, trust=trust)
    check_files(model_path)
    check_weights(model_path, base, trust=trust)
    check_vocabulary(model_path, base, tokenizer)
    return base


def load_config(model_path: Path, *, trust: bool = False) -> Any:
    """transformers' config of the base. ValueError if transformers knows no causal language model of this
    kind."""
    from transformers import AutoConfig, __version__
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    try:
        base = AutoConfig.from_pretrained(model_path, trust_remote_code=trust)
    except (OSError, ValueError, KeyError, ImportError) as error:
        if not trust and "trust_remote_code" in str(error):
            raise ValueError(
                f"model.trust_remote_code: {model_path} needs code of its own (auto_map in its config.json);"
                " read that code, and set it to true if you trust it"
            ) from error
        raise ValueError(
            f"model.path: transformers {__version__} cannot read {model_path}/config.json:"
            f" {_first_line(error)}"
        ) from error
    own_code = trust and "AutoModelForCausalLM" in (getattr(base, "auto_map", None) or {})
    if type(base) not in MODEL_FOR_CAUSAL_LM_MAPPING and not own_code:
        kinds = ", ".join(base.architectures or []) or base.model_type
        raise ValueError(
            f"model.path: {model_path} is {kinds}, which transformers has as no causal language model; give"
            " another base"
        )
    if getattr(base, "quantization_config", None) is not None:
        raise ValueError(
            f"model.path: {model_path} is quantised, and quantised weights cannot be trained; give the"
            " full-precision base"
        )
    return base


def check_files(model_path: Path) -> None:
    """Refuse weights that are missing or cut off, by the headers of their files."""
    if not list(model_path.glob("*.safetensors")) and not (model_path / INDEX).is_file():
        if list(model_path.glob("*.bin")):
            return
        raise ValueError(
            f"model.path: {model_path} holds no weights (*.safetensors); download or copy them there"
        )
    for file in checkpoint_files(model_path):
        if not file.is_file():
            raise ValueError(
                f"model.path: {INDEX} names {file.name}, which is not in {model_path}; download or copy it"
                " there"
            )
        problem = _header_problem(file)
        if problem:
            raise ValueError(
                f"model.path: {file} {problem}: a download or copy that broke off; fetch it again"
            )


def _header_problem(file: Path) -> str:
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if size < 8 or length > size - 8:
            return f"has {size} bytes, fewer than its header"
        try:
            header = json.loads(opened.read(length))
        except ValueError:
            return "has no readable header"
    needed = (
        8
        + length
        + max(
            (entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0
        )
    )
    return "" if size >= needed else f"has {size} bytes, its header says {needed}"


def check_weights(model_path: Path, base: Any, *, trust: bool = False) -> None:
    """Refuse a checkpoint without some of the model's weights (they would be random), or with weights of
    another shape."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    shapes = weight_shapes(model_path, base)
    if not shapes:
        return
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(base, trust_remote_code=trust)
    conversions = get_model_conversion_mapping(model)
    renamings = [c for c in conversions if isinstance(c, WeightRenaming)]
    converters = [c for c in conversions if isinstance(c, WeightConverter)]
    own = model.state_dict()
    found: dict[str, tuple[int, ...] | None] = {}
    for name, shape in shapes.items():
        key, converted = rename_source_key(name, renamings, converters, model.base_model_prefix, own)
        found[key] = None if converted else shape
    # One file tensor may become several of the model's, of which transformers names the first.
    split = any(len(c.target_patterns) > 1 and c.was_used() for c in converters)
    tied = set(model.all_tied_weights_keys) if base.get_text_config().tie_word_embeddings else set()
    missing = [] if split else sorted(own.keys() - found.keys() - tied)
    if missing:
        raise ValueError(
            f"model.path: {model_path} lacks {len(missing)} weights of its model, {missing[0]} among them,"
            " which would be random; give a complete checkpoint"
        )
    for name, found_shape in found.items():
        if found_shape is not None and name in own and tuple(own[name].shape) != found_shape:
            raise ValueError(
                f"model.path: {name} in {model_path} has shape {list(found_shape)}, its config.json asks for "
                f"{list(own[name].shape)}; config and weights are of different models"
            )


def check_end_token(model_path: Path, base: Any, tokenizer: Any) -> None:
    """Refuse a base that nothing ends."""
    file = model_path / "generation_config.json"
    generation = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    known = (tokenizer.eos_token_id, generation.get("eos_token_id"), getattr(base, "eos_token_id", None))
    if all(end is None for end in known):
        raise ValueError(
            f"model.path: neither the tokenizer nor generation_config.json in {model_path} names an end"
            " token, so every sample would be cut at rollout.max_tokens; set eos_token in"
            " tokenizer_config.json, or eos_token_id in generation_config.json"
        )


def check_vocabulary(model_path: Path, base: Any, tokenizer: Any) -> None:
    """Refuse a tokenizer that makes ids which the model has no row for.

    Special tokens that were added beyond the rows are let pass, except the end token: some bases have unused
    ones.
    """
    rows = base.get_text_config().vocab_size
    unused = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special} - {
        tokenizer.eos_token_id
    }
    beyond = sorted((i, token) for token, i in tokenizer.get_vocab().items() if i >= rows and i not in unused)
    if beyond:
        number, token = beyond[-1]
        raise ValueError(
            f"model.path: the tokenizer in {model_path} has {token!r} as id {number}, the model has {rows}"
            " rows (vocab_size); copy the tokenizer that belongs to the weights, or resize the model's"
            " embeddings"
        )


def check_prompt_ids(model_path: Path, prompts: Iterable[Prompt], *, trust: bool = False) -> None:
    """Refuse prompts with ids that the model has no row for."""
    rows = load_config(model_path, trust=trust).get_text_config().vocab_size
    for prompt in prompts:
        if max(prompt.token_ids) >= rows:
            raise ValueError(
                f"model.path: prompt {prompt.id} has token id {max(prompt.token_ids)}, the model has {rows}"
                " rows (vocab_size); copy the tokenizer that belongs to the weights"
            )


def check_engine(rollout: RolloutConfig, base: Any) -> None:
    """Refuse what vLLM cannot run, or cannot be given new weights for."""
    text = base.get_text_config()
    positions = getattr(text, "max_position_embeddings", None)
    rope = getattr(text, "rope_parameters", None) or {}
    stretched = "factor" in rope or any(isinstance(r, dict) and "factor" in r for r in rope.values())
    if positions and not stretched and rollout.max_model_len > positions:
        raise ValueError(
            f"rollout.max_model_len: {rollout.max_model_len} is more than the {positions} positions of the"
            f" base (max_position_embeddings); set it to {positions} or less"
        )
    latent, experts = getattr(text, LATENT, None), any(getattr(text, field, None) for field in EXPERTS)
    if rollout.device == "cpu":
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        if not latent and size not in CPU_HEAD_SIZES:
            raise ValueError(
                f"model.path: the base has attention heads of size {size}; vLLM's CPU attention knows "
                f"{', '.join(map(str, CPU_HEAD_SIZES))}; give another base, or use rollout.device=cuda"
            )
    by_file = rollout.weight_transfer in ("shm", "object")
    if latent and by_file:
        raise ValueError(
            f"model.path: {text.model_type} has latent attention (MLA), whose pushed weights are not proven"
            " to arrive through shared memory; use rollout.weight_transfer=nccl or ipc on GPUs"
        )
    if experts and rollout.device == "cuda" and by_file:
        raise ValueError(
            f"rollout.weight_transfer: {text.model_type} is a mixture of experts, whose weights vLLM lays out"
            " anew on GPUs; shm and object write the layout of the files; use nccl or ipc"
        )


def check_store(config: Config, model_path: Path) -> None:
    """Refuse an object store that cannot hold two versions of the weights, which are in it during a push by
    ``object``; Ray would write them to the disk. What stores a cluster has that runs already is not known."""
    lora, low = config.learner.lora, "bfloat16" in (config.learner.dtype, config.rollout.dtype)
    whole = lora is None or not lora.pushes_adapter
    if config.rollout.weight_transfer != "object" or config.cluster.address is not None or not whole:
        return
    numbers = sum(math.prod(shape) for shape in checkpoint_shapes(model_path).values())
    needed = VERSIONS_IN_STORE * numbers * (2 if low else 4) / (1 << 20) + BATCHES_MIB
    if needed > config.cluster.object_store_mib:
        raise ValueError(
            f"cluster.object_store_mib: {config.cluster.object_store_mib} MiB do not hold two versions of the"
            f" weights and a batch, as rollout.weight_transfer=object needs; set it to {math.ceil(needed)}"
        )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def slow_formats(config: Config) -> list[str]:
    """A note where a CPU is to compute in bfloat16 without an instruction for it."""
    rollout, learner = config.rollout, config.learner
    formats = [("rollout", rollout.dtype, rollout.device), ("learner", learner.dtype, learner.device)]
    slow = [
        f"{name}.dtype={dtype}"
        for name, dtype, device in formats
        if dtype in ("bfloat16", "autocast") and not bfloat16_is_fast(device)
    ]
    if not slow:
        return []
    return [
        f"{' and '.join(slow)}: this CPU has no instruction for bfloat16 (t2rl doctor) and takes many times"
        " as long as in float32; set it to auto"
    ]
