"""What engines are told about adapters."""

import json
from pathlib import Path
from typing import Any

import pytest

from rl.commands.evaluate import resolve
from rl.config.load import load_config
from rl.engines.actors import engine_config
from rollout.engine import EngineConfig, TensorSpec, WeightUpdate
from rollout.lora import LORA_RANKS, buffer_rank, linear_modules
from rollout.vllm_args import engine_arguments, load_calls

SHAPES = {
    "model.embed_tokens.weight": [64, 8],
    "lm_head.weight": [64, 8],
    "model.norm.weight": [8],
    "model.layers.0.self_attn.q_proj.weight": [8, 8],
    "model.layers.0.self_attn.q_proj.bias": [8],
    "model.layers.1.self_attn.q_proj.weight": [8, 8],
    "model.layers.1.mlp.down_proj.weight": [8, 16],
}


def checkpoint(directory: Path, shapes: dict[str, list[int]]) -> Path:
    header = json.dumps(
        {"__metadata__": {}}
        | {n: {"dtype": "F32", "shape": s, "data_offsets": [0, 0]} for n, s in shapes.items()}
    )
    (directory / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode())
    return directory


@pytest.mark.parametrize(("rank", "size"), [(1, 1), (2, 8), (8, 8), (9, 16), (257, 320), (512, 512)])
def test_the_buffer_is_the_next_size_that_vllm_has(rank: int, size: int) -> None:
    assert buffer_rank(rank) == size and size in LORA_RANKS


def test_no_buffer_holds_rank_513() -> None:
    with pytest.raises(ValueError, match=r"lora_rank: 513 is over 512.*push merged"):
        buffer_rank(513)


def test_linear_layers_are_all_matrices_but_embedding_and_head(tmp_path: Path) -> None:
    assert linear_modules(checkpoint(tmp_path, SHAPES)) == ["down_proj", "q_proj"]


def test_a_checkpoint_without_linear_layers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no safetensors with linear layers"):
        linear_modules(tmp_path)


def test_only_engines_for_adapters_are_started_with_the_lora_runtime(tmp_path: Path) -> None:
    model = str(checkpoint(tmp_path, SHAPES))
    assert "enable_lora" not in engine_arguments(EngineConfig(model=model))
    arguments = engine_arguments(EngineConfig(model=model, lora_rank=9))
    assert {k: v for k, v in arguments.items() if "lora" in k} == {
        "enable_lora": True,
        "max_loras": 1,
        "max_lora_rank": 16,
        "lora_target_modules": ["down_proj", "q_proj"],
    }
    named = engine_arguments(EngineConfig(model=model, lora_rank=9, lora_modules=("q_proj",)))
    assert named["lora_target_modules"] == ["q_proj"]


def test_adapters_travel_through_shared_memory_only() -> None:
    with pytest.raises(ValueError, match="lora_rank: adapters travel by shm only, not nccl"):
        EngineConfig(model="m", device="cuda", weight_transfer="nccl", lora_rank=8)


@pytest.mark.parametrize(
    ("overrides", "rank", "modules"),
    [
        ([], 0, ()),
        (["learner.lora.r=4"], 0, ()),
        (["learner.lora.r=4", "learner.lora.push=adapter"], 4, ()),
        (
            ["learner.lora.push=adapter", "learner.lora.target_modules=[q_proj,v_proj]"],
            16,
            ("q_proj", "v_proj"),
        ),
    ],
)
def test_engines_learn_of_adapters_from_the_run_config(
    overrides: list[str], rank: int, modules: tuple[str, ...]
) -> None:
    config = engine_config(load_config("debug", overrides), Path("m"))
    assert (config.lora_rank, config.lora_modules) == (rank, modules)


def test_an_exported_model_is_evaluated_by_plain_engines(tmp_path: Path) -> None:
    """It is merged, whatever its run pushed."""
    (tmp_path / "config.json").write_text("{}")
    config, _ = resolve(tmp_path, ["quickstart", "learner.lora.push=adapter"])
    assert engine_config(config, tmp_path).lora_rank == 0


def update(**fields: Any) -> WeightUpdate:
    spec = TensorSpec(name="w", dtype="float32", shape=(1,), offset=0, num_bytes=4)
    return WeightUpdate(version=3, transport="shm", path="p", tensors=(spec,), checksum="c", **fields)


def test_an_adapter_is_loaded_outside_of_vllms_weight_updates() -> None:
    """finish_weight_update drops every adapter, so it must not follow the load of one."""
    assert [method for method, _ in load_calls(update())] == [
        "start_weight_update",
        "update_weights",
        "finish_weight_update",
    ]
    ((method, arguments),) = load_calls(update(adapter=True))
    assert method == "load_adapter" and arguments["update_info"]["adapter"] is True
