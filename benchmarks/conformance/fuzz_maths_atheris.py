r"""The extraction part of ``fuzz_maths.py`` guided by coverage: atheris keeps the inputs that reach new
branches and varies them.

    pip install atheris
    python -m benchmarks.conformance.fuzz_maths_atheris -runs=200000 -max_len=400 -seed=1
    [-max_total_time=300] [CORPUS_DIR]

Arguments are libFuzzer's. An input that raises, or takes longer than a second, ends it with a traceback and
is written to a file.
"""

import sys
import time

import atheris

with atheris.instrument_imports(include=["rewards"]):
    from rewards.maths.extract import EXTRACTIONS, extract_answer, extract_reference
    from rewards.maths.lists import split_answers
    from rewards.maths.numbers import parse_decimal_comma, parse_quantity

from benchmarks.conformance.fuzz_maths_texts import PIECES


def one_input(data: bytes) -> None:
    """A text of pieces and of free characters; every byte below the number of pieces stands for a piece."""
    text = "".join(PIECES[byte] if byte < len(PIECES) else chr(byte * 7) for byte in data)
    began = time.perf_counter()
    for mode in EXTRACTIONS:
        answer = extract_answer(text, mode)  # type: ignore[arg-type]  # EXTRACTIONS are its values
    extract_reference(text)
    found = answer.text[:500] if answer else text[:500]
    parse_quantity(found)
    parse_decimal_comma(found)
    split_answers(found)
    if time.perf_counter() - began > 1.0:
        raise TimeoutError(f"{len(text)} characters took {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
