"""Do the bytes that the replicas' link counts go over the wire? Two processes alone in a network namespace,
whose loopback counts bytes: a mean of so many weights at 32, 8 and 4 bits, headers and acknowledgements
included.

    unshare -rn python -m benchmarks.learning.diloco_wire [--weights 1000000]
"""

import argparse
import multiprocessing
import subprocess
from pathlib import Path
from typing import Any

import torch

from benchmarks.lib.common import CONSOLE, machine, parser, save
from rl.learner.diloco.link import Link, Meeting

BITS = (32, 8, 4)
PORT = 29400
ADDRESS = "127.0.0.1"


def sent_on_loopback() -> int:
    """Bytes that this namespace's loopback has sent."""
    line = next(row for row in Path("/proc/net/dev").read_text(encoding="ascii").splitlines() if "lo:" in row)
    return int(line.split(":")[1].split()[8])


def replica(index: int, weights: int, results: Any, barrier: Any) -> None:
    """Average a vector with the other one, at every width."""
    meeting = Meeting(address=ADDRESS, port=PORT, index=index, size=2, epoch=1)
    link = Link(meeting, device=torch.device("cpu"), timeout_s=60.0)
    delta = torch.randn(weights, generator=torch.Generator().manual_seed(index))
    for bits in BITS:
        barrier.wait()
        counted, measured = link.sent_bytes, sent_on_loopback()
        barrier.wait()
        link.start(delta, bits)()
        barrier.wait()
        if index == 0:
            both = 2 * (link.sent_bytes - counted)
            results.put({"bits": bits, "counted": both, "measured": sent_on_loopback() - measured})
        barrier.wait()


def main() -> None:
    args = _arguments()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    context = multiprocessing.get_context("spawn")
    results, barrier = context.Queue(), context.Barrier(2)
    pair = [
        context.Process(target=replica, args=(index, args.weights, results, barrier)) for index in range(2)
    ]
    for process in pair:
        process.start()
    rows = [results.get(timeout=120) for _ in BITS]
    for process in pair:
        process.join()
    for row in rows:
        row["measured_over_counted"] = round(row["measured"] / row["counted"], 4)
        CONSOLE.print(row)
    save("diloco_wire", {"machine": machine(), "weights": args.weights, "widths": rows}, args=args)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__ or "")
    made.add_argument("--weights", type=int, default=1_000_000)
    return made.parse_args()


if __name__ == "__main__":
    main()
