"""Adapters that PEFT, ZeRO or vLLM's LoRA runtime cannot handle."""

from collections.abc import Iterator

from rl.config.learner import LoraConfig
from rl.config.tree import ConfigTree
from rollout.lora import LORA_RANKS, NOT_SERVED


def lora_problems(config: ConfigTree) -> Iterator[str]:
    """Every problem with ``learner.lora``, with the fix."""
    lora = config.learner.lora
    if lora is not None and lora.dropout:
        yield (
            f"learner.lora.dropout: with {lora.dropout:g} the loss would see another policy than the one that"
            " was sampled, and clip on-policy tokens; set it to 0 (t2rl sft may have it)"
        )
    if lora is not None and lora.pushes_adapter:
        yield from _served_problems(lora, config.rollout.weight_transfer)


def _served_problems(lora: LoraConfig, transport: str) -> Iterator[str]:
    if lora.kind == "dora":
        yield (
            "learner.lora.push: vLLM's LoRA runtime has no DoRA (learner.lora.kind=dora); use push=merged, or"
            " kind=rslora"
        )
    if transport not in ("shm", "object"):
        yield (
            "learner.lora.push: adapters travel by shm and object only, and"
            f" rollout.weight_transfer={transport}; use push=merged, or rollout.weight_transfer=shm on one"
            " node, object on several"
        )
    if lora.r > LORA_RANKS[-1]:
        yield (
            f"learner.lora.r: vLLM's LoRA runtime serves ranks up to {LORA_RANKS[-1]}, not {lora.r}; lower"
            " it, or use learner.lora.push=merged"
        )
    targets = () if isinstance(lora.target_modules, str) else lora.target_modules
    outside = sorted({name for name in targets if name.rpartition(".")[2] in NOT_SERVED})
    if outside:
        yield (
            f"learner.lora.target_modules: engines do not serve adapters of {', '.join(outside)} (embedding"
            " or head); leave it out, or use learner.lora.push=merged"
        )
