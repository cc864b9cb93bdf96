r"""What the verifier service does: verdicts per second, what hangs cost, memory, the start of a sandbox.

    python -m benchmarks.speed.verifiers [--quick] [--json FILE] [--workers 2] [--timeout 2] [--parts hangs
    ...]

*Throughput*: maths (seven kinds of answers: numbers, fractions, formulas, lists, prose, ...), code (a program
with two tests in the sandbox) and IFEval (three instructions), every text another one and nothing remembered;
p50 and p99 are of one verdict alone in its group. *Hangs*: 10,000 maths answers of which 1% burn CPU for
ever, at random places, against the same answers without them: ``wall with / (wall without + hung x timeout /
workers)``. Lateness of a verdict: how long after its timeout the result of a hung text came back, with as
many hung at once as there are workers. *Memory*: resident MiB of the verifiers over 100,000 maths verdicts,
recycling off. *Sandbox start*: ``/bin/true`` in the sandbox, less ``/bin/true`` as a bare process.
"""

import argparse
import asyncio
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.lib.common import CONSOLE, machine, parser, save, show, spread
from benchmarks.speed.hanging import MARK
from rewards.processes.pool import VerifierPool
from rewards.processes.process import resident_mib
from rewards.sandbox import Job, Step
from rewards.sandbox.local import LocalSandbox
from rollout.types import Prompt, RewardResult

GROUP = 16
PARTS = ("rates", "sandbox", "hangs", "memory")
Case = tuple[Prompt, str]


def maths_case(number: int, chance: random.Random) -> Case:
    """A reference and an answer, right three times in four."""
    a, b = chance.randrange(2, 10_000), chance.randrange(2, 100)
    off = number % 4 == 0
    kind = number % 7
    gold, answer = (
        (f"{a}", f"Adding up gives #### {a + off}"),
        (f"\\frac{{{a}}}{{{b}}}", f"So it is \\boxed{{\\frac{{{2 * a + off}}}{{{2 * b}}}}}."),
        (f"{a}\\sqrt{{{b}}}", f"Hence \\boxed{{\\sqrt{{{b}}} \\cdot {a + off}}}."),
        (f"{a}x + {b}", f"The line is \\boxed{{{b} + {a + off}x}}."),
        (f"{a}, {b}", f"They are \\boxed{{{b}, {a + off}}}."),
        (f"{a}", f"First {b}, then more. The answer is {a + off} apples."),
        (f"({a}, {b}]", f"It holds on \\boxed{{({a + off}, {b}]}}."),
    )[kind]
    return Prompt(id=f"m{number}", text="?", token_ids=(), answer=gold), answer


def code_case(number: int, chance: random.Random) -> Case:
    """A program that adds, with two tests."""
    pairs = [(chance.randrange(1000), chance.randrange(1000)) for _ in range(2)]
    tests = [{"stdin": f"{a} {b}\n", "stdout": f"{a + b}\n"} for a, b in pairs]
    prompt = Prompt(
        id=f"c{number}", text="Add.", token_ids=(), answer="", metadata={"language": "python", "tests": tests}
    )
    return prompt, f"```python\n# {number}\nprint(sum(map(int, input().split())))\n```"


def ifeval_case(number: int, chance: random.Random) -> Case:
    """Words and sentences to count, and a keyword."""
    words = ["river", "stone", "cloud", "light", "sings", "under", "seven", "morning"]
    sentences = [
        " ".join(chance.choices(words, k=9)).capitalize() + "." for _ in range(chance.randrange(6, 20))
    ]
    metadata = {
        "instruction_id_list": [
            "length_constraints:number_sentences",
            "length_constraints:number_words",
            "keywords:existence",
        ],
        "kwargs": [
            {"relation": "at least", "num_sentences": 8},
            {"relation": "at least", "num_words": 80},
            {"keywords": ["river"]},
        ],
    }
    return Prompt(
        id=f"i{number}", text="Write.", token_ids=(), answer="", metadata=metadata
    ), f"{number} " + " ".join(sentences)


def cases(make: Callable[[int, random.Random], Case], count: int, seed: int = 0) -> list[Case]:
    """The same every time."""
    chance = random.Random(seed)
    return [make(number, chance) for number in range(count)]


async def judge_all(pool: VerifierPool, given: list[Case], *, group: int) -> tuple[float, list[RewardResult]]:
    """(wall seconds, results) with all handed in at once; groups are of neighbours, judged under the first
    one's prompt."""

    async def one(start: int) -> list[RewardResult]:
        part = given[start : start + group]
        return await pool.score(part[0][0], [text for _, text in part], [False] * len(part))

    began = time.perf_counter()
    results = await asyncio.gather(*(one(start) for start in range(0, len(given), group)))
    return time.perf_counter() - began, [result for part in results for result in part]


async def latencies(pool: VerifierPool, given: list[Case], *, at_once: int = 1) -> list[float]:
    """Milliseconds of each verdict, so many at a time."""

    async def one(prompt: Prompt, text: str) -> float:
        began = time.perf_counter()
        await pool.score(prompt, [text], [False])
        return 1000 * (time.perf_counter() - began)

    found: list[float] = []
    for start in range(0, len(given), at_once):
        found += await asyncio.gather(*(one(*case) for case in given[start : start + at_once]))
    return found


async def throughput(reward: str, given: list[Case], *, workers: int, repeats: int) -> dict[str, Any]:
    """Verdicts per second over repeats, and what one takes alone."""
    # Programs of the sandbox inherit the limit on address space, and bound their memory themselves.
    pool = VerifierPool(
        reward,
        {},
        num_workers=workers,
        timeout_s=60.0,
        cache=0,
        memory_mib=None if reward == "code" else 4096,
    )
    await pool.start()
    try:
        await judge_all(pool, given[: 8 * workers], group=1)
        walls = []
        for _ in range(repeats):
            wall, results = await judge_all(pool, given, group=1)
            failed = {result.reason for result in results if result.failure is not None}
            assert not failed, failed
            walls.append(wall)
        alone = sorted(await latencies(pool, given[: min(1000, len(given))]))
    finally:
        await pool.close()
    p50, p99 = alone[len(alone) // 2], alone[min(len(alone) - 1, int(0.99 * len(alone)))]
    return {
        "per_s": spread([len(given) / wall for wall in walls]),
        "p50_ms": round(p50, 3),
        "p99_ms": round(p99, 3),
        "verdicts": len(given),
    }


async def hangs(count: int, share: float, *, workers: int, timeout_s: float, repeats: int) -> dict[str, Any]:
    """The ratio, and how late the latest verdict on a hung text came."""
    gold = Prompt(id="h", text="?", token_ids=(), answer="1234")
    answers = ("1234", "1235", "\\frac{2468}{2}", "\\sqrt{1522756}", "617 \\cdot 2", "1234x")
    base = [(gold, f"{n}: so \\boxed{{{answers[n % len(answers)]}}}") for n in range(count)]
    hung = sorted(random.Random(1).sample(range(count), int(share * count)))
    marked = list(base)
    for n in hung:
        marked[n] = (base[n][0], f"{base[n][1]} {MARK}")
    plain = [case for n, case in enumerate(base) if n not in set(hung)]
    ratios, without, with_, late, innocent = [], [], [], [], []
    for _ in range(repeats):
        pool = VerifierPool(
            "benchmarks.speed.hanging:HangingMath", {}, num_workers=workers, timeout_s=timeout_s, cache=0
        )
        await pool.start()
        try:
            free, without_hung = await judge_all(pool, plain, group=GROUP)
            wall, results = await judge_all(pool, marked, group=GROUP)
            reasons = [result.reason for result in results]
            ended = Counter(reason for n, reason in enumerate(reasons) if n in set(hung))
            assert ended == {"timeout": len(hung)}, f"hung texts ended as {ended}"
            others = Counter(reason for n, reason in enumerate(reasons) if n not in set(hung)) - Counter(
                result.reason for result in without_hung
            )
            innocent.append(sum(others.values()))
            late += [
                took / 1000 - timeout_s
                for took in await latencies(pool, [marked[n] for n in hung[:20]], at_once=workers)
            ]
        finally:
            await pool.close()
        ratios.append(wall / (free + len(hung) * timeout_s / workers))
        without.append(free)
        with_.append(wall)
        CONSOLE.print(
            f"hangs: {free:.1f} s without, {wall:.1f} s with {len(hung)}, ratio {ratios[-1]:.3f}; others:"
            f" {dict(others)}",
            highlight=False,
        )
    return {
        "ratio": spread(ratios),
        "without_s": spread(without),
        "with_s": spread(with_),
        "latest_s": round(max(late), 3),
        "innocent_judged_otherwise": innocent,
        "answers": count,
        "hung": len(hung),
        "timeout_s": timeout_s,
        "workers": workers,
    }


async def memory(verdicts: int, *, workers: int) -> dict[str, Any]:
    """Resident MiB of the verifiers, tenth by tenth."""
    pool = VerifierPool(
        "math", {}, num_workers=workers, timeout_s=60.0, cache=0, recycle_after=0, recycle_mib=0
    )
    await pool.start()
    try:
        curve = []
        for tenth in range(10):
            await judge_all(pool, cases(maths_case, verdicts // 10, seed=tenth), group=1)
            curve.append(round(sum(resident_mib(pid) for pid in pool.pids), 1))
    finally:
        await pool.close()
    return {"verdicts": verdicts, "resident_mib": curve, "growth_mib": round(curve[-1] - curve[1], 1)}


def sandbox_start(count: int) -> dict[str, Any]:
    """Milliseconds of ``/bin/true``, sandboxed and bare, interleaved; the difference of the medians is the
    figure."""
    boxed, bare = [], []
    job = Job(files={}, steps=[Step(argv=("/bin/true",))])
    with LocalSandbox() as sandbox:
        for _ in range(count):
            began = time.perf_counter()
            sandbox.run(job)
            between = time.perf_counter()
            subprocess.run(["/bin/true"], check=True)
            boxed.append(1000 * (between - began))
            bare.append(1000 * (time.perf_counter() - between))
    over = [a - b for a, b in zip(boxed, bare, strict=True)]
    return {
        "boxed_ms": spread(boxed),
        "bare_ms": spread(bare),
        "over_ms": {**spread(over), "p99": sorted(over)[int(0.99 * (len(over) - 1))]},
        "starts": count,
        "layers": sandbox.describe(),
    }


def rates(quick: bool, workers: int) -> dict[str, Any]:
    """Verdicts per second of the three."""
    kinds = {
        "math": (maths_case, 600, 5000),
        "code": (code_case, 24, 200),
        "ifeval": (ifeval_case, 200, 2000),
    }
    result = {}
    for name, (make, few, many) in kinds.items():
        given = cases(make, few if quick else many)
        found = asyncio.run(throughput(name, given, workers=workers, repeats=2 if quick else 3))
        result["maths_per_s" if name == "math" else f"{name}_per_s"] = {**found.pop("per_s"), **found}
    return result


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The parts asked for, in turn."""
    quick, workers = args.quick, args.workers
    result: dict[str, Any] = {"machine": machine(), "workers": workers}
    if "rates" in args.parts:
        result |= rates(quick, workers)
    if "sandbox" in args.parts:
        found = sandbox_start(20 if quick else 200)
        result |= {"sandbox_start": found, "sandbox_start_ms": found["over_ms"]}
    if "hangs" in args.parts:
        size, repeats = (2000, 1) if quick else (10_000, 3)
        found = asyncio.run(hangs(size, 0.01, workers=workers, timeout_s=args.timeout, repeats=repeats))
        result |= {"hangs": found, "hang_wall_ratio": found["ratio"]}
    if "memory" in args.parts:
        result["memory"] = asyncio.run(memory(5000 if quick else 100_000, workers=workers))
    return result | {"load_after": [round(x, 2) for x in os.getloadavg()]}


def tell(result: dict[str, Any]) -> None:
    """Tables and lines."""
    names = ("maths_per_s", "code_per_s", "ifeval_per_s", "sandbox_start_ms", "hang_wall_ratio")
    show("verifiers", {name: result[name] for name in names if name in result})
    for name in names[:3]:
        if name in result:
            found = result[name]
            CONSOLE.print(
                f"{name.removesuffix('_per_s')}: alone {found['p50_ms']} ms, 99% within {found['p99_ms']} ms"
            )
    if "hangs" in result:
        CONSOLE.print(f"latest verdict on a hung text: {result['hangs']['latest_s']} s after its timeout")
    if "memory" in result:
        CONSOLE.print(
            f"resident MiB by tenths of {result['memory']['verdicts']} verdicts:"
            f" {result['memory']['resident_mib']}"
        )


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--workers", type=int, default=2, help="verifier processes")
    options.add_argument("--timeout", type=float, default=2.0, help="seconds that a hung text is given")
    options.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), help="some only; others keep no result"
    )
    args = options.parse_args()
    result = measure(args)
    tell(result)
    save("verifiers", result, args=args)


if __name__ == "__main__":
    main()
