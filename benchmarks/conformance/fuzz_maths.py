r"""Random and hostile texts against the maths reward: nothing may raise, and nothing may run past its limit.

    python -m benchmarks.conformance.fuzz_maths [--inputs 1000000] [--verdicts 20000] [--seed 0] [--quick]
    [--json FILE]

Four parts. *Extraction*: every input through all extraction modes, the reading of references, numbers and
lists, in this process; a call over ``BOUND_S`` fails. *Verdicts*: whole verdicts with math-verify in a
verifier process; one that needs longer than its time is cut off there, which is counted and is no failure;
one that raises, or comes back later than its time plus a second, is. *Long*: megabytes of what regular
expressions trip over. *Hangs*: answers that keep sympy busy, to see the cut.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.conformance.fuzz_maths_texts import HANGS, LONG, REFERENCES, texts
from benchmarks.lib.common import CONSOLE, machine
from rewards.maths import MAX_ANSWER
from rewards.maths.extract import EXTRACTIONS, extract_answer, extract_reference
from rewards.maths.lists import split_answers
from rewards.maths.numbers import parse_decimal_comma, parse_quantity
from rewards.processes.pool import VerifierPool
from rollout.types import Failure, Prompt

BOUND_S = 1.0
"""Seconds that extraction of one text may take, a megabyte included."""
TIMEOUT_S = 2.0
GRACE_S = 1.0


def extraction(inputs: int, seed: int) -> dict[str, Any]:
    """Extraction and the parsers in front of math-verify, on ``inputs`` texts."""
    slowest, slowest_text, characters = 0.0, "", 0
    began = time.monotonic()
    for number, text in enumerate(texts(random.Random(seed), inputs)):
        started = time.perf_counter()
        for mode in EXTRACTIONS:
            answer = extract_answer(text, mode)  # type: ignore[arg-type]  # EXTRACTIONS are its values
        extract_reference(text)
        head = answer.text[:MAX_ANSWER] if answer else text[:MAX_ANSWER]
        parse_quantity(head)
        parse_decimal_comma(head)
        split_answers(head)
        took = time.perf_counter() - started
        if took > slowest:
            slowest, slowest_text = took, text[:80]
        assert took < BOUND_S, f"{took:.2f} s for {text[:200]!r} ({len(text)} characters)"
        characters += len(text)
        if number % 100_000 == 0:
            CONSOLE.print(f"extraction: {number} texts, {time.monotonic() - began:.0f} s")
    return {
        "inputs": inputs,
        "characters": characters,
        "slowest_s": round(slowest, 4),
        "slowest": slowest_text,
        "seconds": round(time.monotonic() - began, 1),
    }


async def judged(pool: VerifierPool, cases: Iterator[tuple[str, str]]) -> dict[str, Any]:
    """Verdicts on (reference, text), one message each."""
    reasons: Counter[str] = Counter()
    slowest, cut = 0.0, []
    began = time.monotonic()
    for number, (gold, text) in enumerate(cases):
        started = time.monotonic()
        [result] = await pool.score(Prompt(id="fuzz", text="?", token_ids=(), answer=gold), [text], [False])
        took = time.monotonic() - started
        reasons[result.reason or "right"] += 1
        if result.failure is Failure.TIMEOUT:
            cut.append(text[:120])
        else:
            slowest = max(slowest, took)
        assert result.failure in (None, Failure.TIMEOUT), f"{result.reason} on {gold!r}, {text[:300]!r}"
        if number % 5_000 == 4_999:
            CONSOLE.print(
                f"verdicts: {number + 1}, {time.monotonic() - began:.0f} s, {dict(reasons)}", markup=False
            )
    return {
        "inputs": sum(reasons.values()),
        "reasons": dict(reasons),
        "slowest_s": round(slowest, 3),
        "cut_off": cut,
        "seconds": round(time.monotonic() - began, 1),
    }


def random_cases(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """(reference, text) with the text as the content of a box, so that it reaches math-verify."""
    chance = random.Random(seed)
    for text in texts(chance, count):
        gold = chance.choice(REFERENCES)
        yield gold, text if chance.random() < 0.2 else f"\\boxed{{{text[:MAX_ANSWER]}}}"


async def verdicts(count: int, seed: int) -> dict[str, Any]:
    """The parts that need a verifier process."""
    pool = VerifierPool("math", {}, timeout_s=TIMEOUT_S)
    await pool.start()
    try:
        result = {"verdicts": await judged(pool, random_cases(seed + 1, count))}
        result["long"] = await judged(pool, (("7", text) for text in LONG))
        result["hangs"] = await judged(pool, iter(HANGS))
        return {**result, "pool": pool.metrics()}
    finally:
        await pool.close()


def long_texts() -> float:
    """Seconds that extraction takes on the slowest of the long texts."""
    slowest = 0.0
    for text in LONG:
        started = time.perf_counter()
        for mode in EXTRACTIONS:
            extract_answer(text, mode)  # type: ignore[arg-type]  # EXTRACTIONS are its values
        slowest = max(slowest, time.perf_counter() - started)
    assert slowest < BOUND_S, f"a long text took {slowest:.2f} s"
    return round(slowest, 3)


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--inputs", type=int, default=1_000_000, help="texts for extraction")
    options.add_argument("--verdicts", type=int, default=20_000, help="whole verdicts in a verifier process")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--quick", action="store_true", help="2% of it")
    options.add_argument("--json", type=Path, default=None, help="write the counts to this file")
    args = options.parse_args()
    scale = 0.02 if args.quick else 1.0
    result: dict[str, Any] = {
        "machine": machine(),
        "seed": args.seed,
        "long_extraction_slowest_s": long_texts(),
    }
    result |= asyncio.run(verdicts(int(args.verdicts * scale), args.seed))
    result["extraction"] = extraction(int(args.inputs * scale), args.seed)
    late = [part for part in ("verdicts", "long", "hangs") if result[part]["slowest_s"] > TIMEOUT_S + GRACE_S]
    CONSOLE.print_json(json.dumps(result))
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
