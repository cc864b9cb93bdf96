"""Answers of the policy about prompts, for curricula that ask: from one prefill without gradient
(``curricula.measures.prompt_signals``).

See docs/methods/prompts.md#gain-rl.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from rl.learner.logprob_model import products
from rl.learner.packed_attention import row_arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Tokens that all prompts share: a system message, the chat template, examples."""

    head: int = 0
    """At the beginning of every prompt."""
    tail: int = 0
    """At its end."""


@torch.no_grad()
def prompt_signals(
    engine: Any,
    prompts: Sequence[Sequence[int]],
    *,
    columns: Collection[str],
    template: Template,
    token_budget: int,
) -> dict[str, np.ndarray]:
    """``columns`` of prompts [n], each with one token or more: ``hidden`` [n, d] float32, ``intra`` and
    ``inter`` [n] float64.

    A prompt of fewer than two tokens besides the template's is taken as a question whole; one of a single
    token has ``intra`` 0. Every rank computes all of it. The attention is causal, so padding on the right
    changes nothing.

    Raises:
        ValueError: for an empty prompt, or angles of a model without a module named ``mlp``.
    """
    if any(not len(prompt) for prompt in prompts):
        raise ValueError("prompts: each needs a token, since the signals are read at tokens")
    engine.eval()
    trunk = engine.module.causal_lm.base_model
    lengths = np.array([len(prompt) for prompt in prompts])
    rows: list[dict[str, Any]] = [{} for _ in prompts]
    for batch in _batches(lengths, token_budget):
        inputs = torch.zeros(len(batch), int(lengths[batch].max()), dtype=torch.int64)
        for row, index in enumerate(batch):
            inputs[row, : lengths[index]] = torch.tensor(prompts[index])
        with (
            products(engine.module.autocast, engine.device),
            _captured(trunk, wanted="intra" in columns or "inter" in columns) as caught,
        ):
            last = trunk(
                **row_arguments(trunk.config, inputs.to(engine.device), None, None)
            ).last_hidden_state
        for row, index in enumerate(batch):
            length = int(lengths[index])
            if "hidden" in columns:
                rows[index]["hidden"] = last[row, length - 1].float().cpu().numpy()
            if caught.inputs is not None:
                rows[index] |= angles(caught.inputs[row, :length], template)
    kept = [name for name in ("hidden", "intra", "inter") if name in columns]
    return {name: np.array([row[name] for row in rows]) for name in kept}


def angles(hidden: torch.Tensor, template: Template) -> dict[str, float]:
    """``intra`` and ``inter`` of one prompt's token states [T, H]; the arithmetic of
    ``curricula.prompts.angle``, on the device."""
    units = torch.nn.functional.normalize(hidden.double(), dim=1)
    first, end = template.head, len(units) - template.tail
    if end - first < 2:
        first, end = 0, len(units)
    own, shared = units[first:end], torch.cat([units[:first], units[end:]])
    total, count = own.sum(dim=0), len(own)
    intra = (total @ total - count) / (count * (count - 1)) if count > 1 else total.new_zeros(())
    inter = own.mean(dim=0) @ shared.mean(dim=0) if len(shared) else total.new_zeros(())
    return {"intra": float(intra), "inter": float(inter)}


def _batches(lengths: np.ndarray, token_budget: int) -> list[list[int]]:
    """Indices by falling length, each batch of at most ``token_budget`` padded tokens or of one prompt."""
    out: list[list[int]] = []
    for index in np.argsort(-lengths, kind="stable").tolist():
        if out and (len(out[-1]) + 1) * lengths[out[-1][0]] <= token_budget:
            out[-1].append(index)
        else:
            out.append([index])
    return out


@dataclass(slots=True)
class _Caught:
    inputs: torch.Tensor | None = None


@contextmanager
def _captured(trunk: nn.Module, *, wanted: bool) -> Iterator[_Caught]:
    """Catches the last layer's MLP input [B, L, H]: what its up-projection is given."""
    caught = _Caught()
    if not wanted:
        yield caught
        return
    layers = [module for name, module in trunk.named_modules() if name.rpartition(".")[2] == "mlp"]
    if not layers:
        raise ValueError(
            f"{type(trunk).__name__} has no module named mlp, whose inputs the angles are read from: give the"
            " signal instead"
        )

    def catch(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        caught.inputs = arguments[0] if arguments else next(iter(named.values()))

    handle = layers[-1].register_forward_pre_hook(catch, with_kwargs=True)
    try:
        yield caught
    finally:
        handle.remove()
