"""More inputs out of given ones, against answers that were learnt by heart.

New inputs stay near those given: values seen at the same position, lists in another order or one element
shorter, numbers between the smallest and the largest seen. Which of them are valid, the reference solution
says by not failing on them.
"""

import ast
import random
from collections.abc import Sequence
from typing import Any

TRIES = 20
"""Draws for each new input that is wanted."""


def perturb_calls(given: Sequence[list[Any]], count: int, seed: str) -> list[list[Any]]:
    """Up to ``count`` argument lists that are not among those given; the same for the same seed."""
    rng = random.Random(seed)
    seen = {repr(args) for args in given}
    found: list[list[Any]] = []
    for _ in range(TRIES * count if given else 0):
        if len(found) == count:
            break
        base = rng.choice(given)
        peers = [args for args in given if len(args) == len(base)]
        args = [perturb_value(value, [peer[i] for peer in peers], rng) for i, value in enumerate(base)]
        if repr(args) not in seen:
            seen.add(repr(args))
            found.append(args)
    return found


def perturb_value(value: Any, peers: Sequence[Any], rng: random.Random) -> Any:
    """Another value of its type, from values seen in its place."""
    alike = [peer for peer in peers if type(peer) is type(value)]
    if rng.random() < 0.3:
        return rng.choice(alike)
    if isinstance(value, bool) or value is None:
        return rng.choice(alike)
    if isinstance(value, int):
        return rng.randint(min(alike), max(alike)) if rng.random() < 0.5 else rng.choice(alike)
    if isinstance(value, (list, tuple)):
        return type(value)(_rearranged(list(value), rng))
    if isinstance(value, str):
        words = value.split(" ")
        return " ".join(_rearranged(words, rng)) if len(words) > 1 else "".join(_rearranged(list(value), rng))
    return value


def _rearranged(items: list[Any], rng: random.Random) -> list[Any]:
    items = list(items)
    choice = rng.randrange(3)
    if choice == 0:
        rng.shuffle(items)
    elif choice == 1 and len(items) > 1:
        del items[rng.randrange(len(items))]
    elif len(items) > 1:
        items[rng.randrange(len(items))] = rng.choice(items)
    return items


def perturb_text(given: Sequence[str], count: int, seed: str) -> list[str]:
    """Up to ``count`` inputs of a program with the numbers of one line in another order, of lines that hold
    three or more."""
    rng = random.Random(seed)
    seen = set(given)
    found: list[str] = []
    for _ in range(TRIES * count if given else 0):
        if len(found) == count:
            break
        lines = rng.choice(given).split("\n")
        long = [
            i for i, line in enumerate(lines) if len(line.split()) > 2 and all(map(_is_number, line.split()))
        ]
        if not long:
            continue
        where = rng.choice(long)
        words = lines[where].split()
        rng.shuffle(words)
        lines[where] = " ".join(words)
        text = "\n".join(lines)
        if text not in seen:
            seen.add(text)
            found.append(text)
    return found


def _is_number(word: str) -> bool:
    return word.lstrip("-").replace(".", "", 1).isdecimal()


def literal_calls(tests: str, names: set[str]) -> list[list[Any]]:
    """Arguments of the calls of the named functions in a text of Python tests, where they are literals
    without keywords."""
    try:
        tree = ast.parse(tests)
    except SyntaxError:
        return []
    found = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in names
            and not node.keywords
        ):
            try:
                found.append([ast.literal_eval(argument) for argument in node.args])
            except ValueError:
                continue
    return found
