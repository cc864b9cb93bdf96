"""The cost of a run in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from rl.records.cost.keys import FLOPS

HOUR_S = 3600.0


def cost_lines(
    rows: Sequence[Mapping[str, Any]],
    *,
    per_correct: float | None = None,
    lost: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """Lines for the end of a run; none where its rows count no cost.

    Args:
        rows: of the steps, in order.
        per_correct: tokens per right answer gained, base against the end.
        lost: rows of steps that a resume trained again.
    """
    counted = [row for row in rows if "cost/total_rollout_tokens" in row]
    if not counted:
        return []
    last = counted[-1]
    lines = [_tokens(last), _work(last, counted), _held(last)]
    if per_correct is not None:
        lines.append(f"{per_correct:,.0f} sampled tokens per held-out answer gained")
    if lost:
        tokens = sum(row.get("cost/rollout_tokens", 0) for row in lost)
        lines.append(f"not in these figures: {len(lost)} steps, {tokens:,} tokens, that a restart lost")
    return [f"cost: {lines[0]}", *(f"      {line}" for line in lines[1:] if line)]


def _tokens(last: Mapping[str, Any]) -> str:
    sampled, discarded = last["cost/total_rollout_tokens"], last["cost/total_discarded_tokens"]
    share = f" ({discarded / sampled:.0%})" if sampled else ""
    return (
        f"{sampled:,.0f} tokens sampled after {last['cost/total_prompt_tokens']:,.0f} of prompts,"
        f" {last['cost/total_trained_tokens']:,.0f} with a gradient, {discarded:,.0f} without{share}"
    )


def _work(last: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    flops = last.get("cost/total_flops")
    if not flops:
        return ""
    kinds = {kind: sum(row.get(key, 0.0) for row in rows) for kind, key in FLOPS.items()}
    whole = sum(kinds.values())
    parts = ", ".join(f"{kind} {value / whole:.0%}" for kind, value in kinds.items() if value)
    shares = [row["cost/mfu"] for row in rows if "cost/mfu" in row]
    mfu = f", MFU {sum(shares) / len(shares):.1%}" if shares else ""
    return f"{flops:.3g} FLOPs ({parts}){mfu}"


def _held(last: Mapping[str, Any]) -> str:
    busy = ", ".join(
        f"{name} {_share(last, name)} busy" for name in ("engine", "learner") if _share(last, name)
    )
    hours, money = last["cost/total_gpu_hours"], last.get("cost/total_money")
    if not hours:
        return busy
    price = "" if money is None else f", {money:,.2f} in money"
    return f"{busy}; {hours:,.2f} GPU-hours{price}"


def _share(last: Mapping[str, Any], name: str) -> str:
    held = last[f"cost/total_{name}_held_s"]
    return f"{last[f'cost/total_{name}_s'] / held:.0%} of {_duration(held)}" if held else ""


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < HOUR_S / 10 else f"{seconds / HOUR_S:.2f} h"
