"""Tables of made rollouts for the tests of their files."""

import random

import pyarrow as pa

from rl.records.rollouts.schema import schema


def table(step: int = 0, *, groups: int = 4, size: int = 2, noise: int = 0, attempt: int = 1) -> pa.Table:
    draw = random.Random(step)
    rows = [
        {
            "attempt": attempt,
            "step": step,
            "group_id": step * 100 + group,
            "index": index,
            "prompt_id": f"p{group}",
            "category": "add" if group % 2 == 0 else "subtract",
            "completion": f"{step} {group} {index} {draw.randbytes(noise).hex()}",
            "reward": float(index),
            "correct": index == 1,
            "judged": True,
            "length": 10 * group,
            "components": [{"name": "right", "value": float(index)}],
        }
        for group in range(groups)
        for index in range(size)
    ]
    return pa.Table.from_pylist(rows, schema=schema(tokens=False))
