"""The cases of ``maths.py``: rows of third-party files as (references, completion, verdict,
arguments)."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rewards.maths.extract import extract_answer
from rewards.maths.numbers import parse_quantity

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One completion to judge."""

    id: str
    golds: tuple[str, ...]
    """Right if it agrees with one of them."""
    text: str
    expected: bool | None
    """None: only a verdict in time is asked for."""
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Extraction:
    """One text of which the answer as written is compared."""

    id: str
    text: str
    mode: Any
    expected: str | None

    def agrees(self) -> bool:
        """True if the answer found is the one expected."""
        answer = extract_answer(self.text, self.mode)
        return (answer.text if answer else None) == self.expected


Cases = Iterator[Case | Extraction]


def rows(path: Path) -> list[Row]:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def math_verify(path: Path) -> Cases:
    """Math-Verify's own tests, each under the targets and the precision that it names."""
    for row in rows(path):
        config, args = row["config"], {}
        if config.get("match_types") == ["latex"]:
            args["extraction"] = "latex"
        if "precision" in config:
            args["precision"] = config["precision"]
        if "allow_set_relation_comp" in config:
            args["relations_for_sets"] = config["allow_set_relation_comp"]
        yield Case(row["id"], (row["gold"],), row["prediction"], row["expected"], args)


_PEER_ARGS = {
    "rllm": {"extraction": "boxed"},
    "is_correct_strict_box": {"extraction": "boxed"},
    "grade_answer_verl": {"extraction": "boxed"},
    "reasoning_accuracy_reward": {"extraction": "strict"},
}
"""Suite or function -> what its rules are in ours."""


def peer_answers(path: Path) -> Cases:
    """Other systems' tests of their maths rewards; word-overlap and puzzle matchers are left to other
    components."""
    for row in rows(path):
        if row["suite"].endswith(("PuzzleMatcherVerifier", "F1Verifier")):
            continue
        golds = row["gold"] if isinstance(row["gold"], list) else [row["gold"]]
        expected = row["expected"]["acc"] if isinstance(row["expected"], dict) else row["expected"]
        args = _PEER_ARGS.get(row["fn"]) or _PEER_ARGS.get(row["suite"], {})
        verdict = None if expected is None else bool(expected)
        yield Case(row["id"], tuple(map(str, golds)), str(row["prediction"]), verdict, args)


_NORMAL_FORMS = ("_strip_string", "strip_string", "normalize_final_answer")
_BOXES = ("last_boxed_only_string", "remove_boxed", "extract_boxed_answer", "extract_answer")


def peer_extraction(path: Path) -> Cases:
    """Other systems' tests of extraction and normal forms; format, length, repetition and code are other
    components'."""
    for row in rows(path):
        call, expected = row["call"], row["expected"]
        name, args, step = call["fn"], call.get("args", []), call.get("path", [""])[0]
        if not args or not isinstance(args[0], str):
            continue
        text = args[0]
        if name in _BOXES:
            unboxed = (
                extract_answer(expected, "boxed")
                if isinstance(expected, str) and "boxed{" in expected + "boxed{"
                else None
            )
            wanted = unboxed.text if unboxed else expected
            yield Extraction(row["id"], text, "boxed", wanted)
        elif name in _NORMAL_FORMS:
            yield Case(row["id"], (expected,), f"\\boxed{{{text}}}", True)
        elif name in ("grade_answer_mathd", "grade_answer_sympy"):
            yield Case(row["id"], (args[1],), f"\\boxed{{{text}}}", expected)
        elif name in ("grade_answer_verl", "is_correct_strict_box", "verify", "compute_score") and step in (
            "",
            "[0]",
            "[score]",
            "[acc]",
        ):
            verdict = expected["acc"] if isinstance(expected, dict) else expected in (True, 1)
            yield Case(row["id"], (args[1],), text, verdict, {"extraction": "boxed"})
        elif name in ("is_correct_strict_box", "verify") and step == "[1]":
            yield Extraction(row["id"], text, "boxed", expected)
        elif name == "is_correct_minerva":
            yield Case(row["id"], (args[1],), text, bool(expected))
        elif name in ("match_answer_pattern", "think_pred_postprocess") and "answer" in text.lower():
            yield Extraction(row["id"], text, "lenient", expected)
        elif name == "parse" and step == "answer" and isinstance(expected, str):
            yield Extraction(row["id"], text, "strict", expected)
        elif name == "parse" and expected == "42":
            yield Extraction(row["id"], text, "boxed", expected)


def labelled(path: Path) -> Cases:
    """Completions with a published verdict."""
    for row in rows(path):
        yield Case(row["id"], (row["gold"],), row["completion"], row["expected"])


def reward_doctor(path: Path) -> Cases:
    """Attacks, and pairs that are equal or only look it."""
    for row in rows(path):
        yield Case(row["id"], (row["reference"],), row["completion"], row["expect"])


def golds(path: Path) -> Cases:
    """Every reference against itself in a box, and against its own published solution."""
    for row in rows(path):
        if path.stem == "countdown":
            yield Case(row["id"], (str(row["target"]),), f"\\boxed{{{row['example_solution']}}}", True)
            continue
        gold = _gold(row)
        yield Case(f"{row['id']}:box", (gold,), f"So we find \\(\\boxed{{{gold}}}\\).", True)
        if row.get("solution"):
            yield Case(f"{row['id']}:solution", (gold,), row["solution"], True)


def others(path: Path) -> Cases:
    """The reference of the next row is wrong here."""
    answers = [(row["id"], _gold(row)) for row in rows(path)]
    for (name, gold), (_, other) in zip(answers, [*answers[1:], answers[0]], strict=True):
        if gold != other:
            yield Case(f"{name}:other", (gold,), f"\\boxed{{{other}}}", False)


HEDGES = (
    r"\boxed{G \text{ or } O}", r"\boxed{O or G}", r"\boxed{G, O}", r"\boxed{O; G}",
    r"\boxed{G} or \boxed{O}",
    r"\boxed{O}, \boxed{G}", r"\boxed{O} or maybe \boxed{G}", r"\boxed{O}. Perhaps \boxed{G}",
    r"\boxed{O} \\ \boxed{G}",
    r"\boxed{G} or O", r"O or \boxed{G}", r"\boxed{\{G, O\}}", r"\boxed{[O, G]}", r"\boxed{(G, O)}",
    r"\boxed{x=O \lor x=G}",
    r"\boxed{x = O \text{ or } x = G}", r"\boxed{\text{not } G}", r"\boxed{x \neq G}",
    r"\boxed{\text{either } O \text{ or } G}",
    r"\boxed{O \quad G}", r"\boxed{O \\ G}", r"\boxed{O | G}", r"\boxed{O \text{ (maybe } G)}",
    r"\boxed{G \text{ but perhaps } O}", r"\boxed{G \text{ to } O}", r"\boxed{O \boxed{G}}",
    r"\boxed{O \text{ or } \boxed{G}}",
    r"\boxed{\begin{cases} G \\ O \end{cases}}", r"\boxed{\text{I am not sure, } G}", r"\boxed{> G}",
    r"<answer>G or O</answer>",
    r"<answer>O</answer> or <answer>G</answer>", "#### G or O", "#### O or G",
)  # fmt: skip
"""G is the reference, O another answer."""
LOOSE_HEDGES = (
    "The answer is G or O.", "The answer is O or G.", "The answer is $O$ or maybe $G$.",
    "It is either O or G.", "It is not G.",
    "Possible answers: O, G", "O\nG", r"\boxed{O = G}",
)  # fmt: skip
"""Only where both are plain numbers: in prose, words and letters may be anything."""


def hedges(path: Path) -> Cases:
    """Two answers where one is asked, the reference being one of them; and the reference denied."""
    for row in rows(path):
        gold = _gold(row)
        quantity = parse_quantity(gold)
        other = "17" if quantity is None else str(quantity.value + 1)
        for number, template in enumerate(HEDGES + (LOOSE_HEDGES if quantity else ())):
            text = template.replace("G", "\0").replace("O", other).replace("\0", gold)
            yield Case(f"{row['id']}:hedge-{number}", (gold,), text, False)


def _gold(row: Row) -> str:
    answer = row.get("answer", row.get("target"))
    return ", ".join(answer) if isinstance(answer, list) else str(answer)


SUITES: dict[str, tuple[str, Callable[[Path], Cases]]] = {
    "Math-Verify's cases": ("graders/math_verify_cases.jsonl", math_verify),
    "peers' answer cases": ("graders/peer_answer_cases.jsonl", peer_answers),
    "peers' extraction cases": ("graders/peer_extraction_format_cases.jsonl", peer_extraction),
    "Qwen2.5-Math rollouts": ("graders/qwen25math_real_rollouts.jsonl", labelled),
    "GSM8K model solutions": ("graders/gsm8k_model_solutions.jsonl", labelled),
    "GSM8K completions": ("graders/gsm8k_real_completions.jsonl", labelled),
    "attacks": ("adversarial/math_grader_attacks.jsonl", labelled),
    "reward-doctor": ("adversarial/reward_doctor_cases.jsonl", reward_doctor),
    **{
        f"references of {name}": (f"math/{name}.jsonl", golds)
        for name in (
            "math500", "math_train", "aime_1983_2023", "gsm8k_train", "gsm_plus_mini", "multiarith",
            "olympiadbench_en", "svamp",
            "countdown",
        )
    },
    **{f"wrong answers of {name}": (f"math/{name}.jsonl", others) for name in ("math500", "math_train",
    "olympiadbench_en")},
    **{f"hedges of {name}": (f"math/{name}.jsonl", hedges) for name in ("math500", "olympiadbench_en")},
}  # fmt: skip
"""Name in the table -> file under the data folder, and how its rows are read."""
