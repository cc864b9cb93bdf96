"""The program in a completion, and its assembly with the prompt's code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.code.extract import NoCode, assemble, extract_code, source_in

PYTHON = {"python", "py"}
ALL = {"python", "py", "rust", "cpp"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("print(1)", "print(1)"),
        ("\n    return 1\n", "    return 1"),
        ("Text\n```python\na\n```\nmore", "a\n"),
        ("```python\na\n```\nbetter:\n```py\nb\n```", "b\n"),
        ("```\na\n```", "a\n"),
        ("```python\na\n```\nprints\n```\n3\n```", "a\n"),
        ("```rust\nr\n```\n```python\np\n```\n```rust\nr\n```", "p\n"),
        ("~~~python\na\n~~~", "a\n"),
        ("````python\nx = '''\n```\n'''\n````", "x = '''\n```\n'''\n"),
        ("Text\n```python\na\nb", "a\nb"),
        ("```python\nold\n```python\nnew\n```", "new\n"),
        ("  ```python title=a.py\na\n  ```", "a\n"),
        ("1. So:\n\n   ```python\n   a\n     b\n\n   c\n   ```", "a\n  b\n\nc\n"),
        ("- ```python\n  a\n    b\n  ```", "a\n  b\n"),
        ("   ```python\na\n  b\n   ```", "a\n  b\n"),
        ("> ```python\n> a\n>   b\n>\n> ```\nno", "a\n  b\n\n"),
        (">> ```python\n>> a\n>> ```", "a\n"),
        ("> - ```python\n>   a\n>   ```", "a\n"),
        ("> ```python\n> a\n\nb\n", "a\n"),
        ("```python\nx = '''\n> ```\n'''\n```", "x = '''\n> ```\n'''\n"),
        ("```python\na\n```\nUse ```x``` here.", "a\n"),
        ("```print(1)```\n```python\na\n```", "a\n"),
        ("```Python\na\n```", "a\n"),
        ("<answer>print(1)</answer>", "print(1)"),
    ],
)
def test_the_last_block_of_the_language_counts(text: str, code: str) -> None:
    assert extract_code(text, PYTHON, ALL) == code


@pytest.mark.parametrize(
    ("text", "truncated", "reason"),
    [
        ("", False, "empty"),
        (" \n", False, "empty"),
        ("```python\n\n```", False, "no code"),
        ("```rust\nfn main() {}\n```", False, "no code"),
        ("> ```python\n> a\n\nand so on", True, "truncated"),
        ("<answer>a</answer> or rather <answer>b", False, "no code"),
        ("```python\nprint(1", True, "truncated"),
        ("print(1", True, "truncated"),
        ("x" * 300_000, False, "code too long"),
    ],
)
def test_no_program_has_a_reason(text: str, truncated: bool, reason: str) -> None:
    with pytest.raises(NoCode, match=f"^{reason}$"):
        extract_code(text, PYTHON, ALL, truncated=truncated)


PROMPT = "import math\n\ndef half(x):\n    return x / 2\n\ndef f(x):\n    '''Doc.'''\n"


@pytest.mark.parametrize(
    ("code", "program"),
    [
        ("    return 1\n", PROMPT + "    return 1\n"),
        ("return 1\n", PROMPT + "    return 1\n"),
        ("y = 1\n    return y\n", PROMPT + "    y = 1\n    return y\n"),
        ("for i in x:\n    return i\n", PROMPT + "    for i in x:\n        return i\n"),
        ("for i in x:\n        return i\n", PROMPT + "    for i in x:\n        return i\n"),
        (
            "def f(x):\n    return 1\n",
            "import math\n\ndef half(x):\n    return x / 2\n\n\ndef f(x):\n    return 1\n",
        ),
        (PROMPT + "    return 1\n", PROMPT + "    return 1\n"),
    ],
)
def test_python_completions_continue_or_repeat_the_prompt(code: str, program: str) -> None:
    assert assemble(code, PROMPT, "f", "python") == program


def test_a_whole_program_that_is_indented_is_moved_to_the_margin() -> None:
    assert assemble("    a\n      b\n", "", "", "python") == "a\n  b\n"
    assert assemble("\tmain:\n", "", "", "bash") == "\tmain:\n"


@pytest.mark.parametrize(
    ("prompt", "source"),
    [
        (PROMPT, PROMPT),
        ("Complete this.\n\n" + PROMPT, PROMPT),
        ("def f(x):", "def f(x):"),
        ("def f(x):\n    # doubles x\n", "def f(x):\n    # doubles x\n"),
        ("def f(x):\n    pass\n", "def f(x):\n    pass\n"),
        (PROMPT + "    return 2\n", ""),  # nothing is left to complete
        ("<|user|>\n" + PROMPT + "<|assistant|>\n", ""),
        ("class Solution:\n    def f(self, x):\n        pass\n", ""),
        ("Write f, with def f(x).", ""),
        ("def g(x):\n", ""),
    ],
)
def test_the_source_that_a_prompt_ends_in(prompt: str, source: str) -> None:
    assert source_in(prompt, "f") == source


def test_other_languages_repeat_the_signature_or_continue() -> None:
    prompt = "#include <vector>\nusing namespace std;\nint f(int x){\n"
    assert assemble("  return 1;\n}\n", prompt, "", "cpp") == prompt + "  return 1;\n}\n"
    assert (
        assemble("int f(int x) {\n}\n", prompt, "", "cpp")
        == "#include <vector>\nusing namespace std;\nint f(int x) {\n}\n"
    )


@given(st.text(alphabet="`~ab\n <think>/python", max_size=200), st.booleans())
def test_any_text_gives_code_or_a_reason(text: str, truncated: bool) -> None:
    try:
        code = extract_code(text, PYTHON, ALL, truncated=truncated)
    except NoCode as error:
        assert str(error)
    else:
        assert code.strip()
