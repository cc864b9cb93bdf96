"""Which part of a completion is the program."""

import ast
import re
import textwrap
from collections.abc import Collection, Sequence
from functools import lru_cache

from rewards.code.fences import Block, blocks_of

MAX_CODE = 256 << 10
"""Characters; longer programs are not run."""

_SOURCE_LINE = re.compile(r"^(?:from\s|import\s|def\s|async\s+def\s|class\s|@|#)", re.MULTILINE)
_HEADER = re.compile(r"\s*(?:#\s*include|using|import|use)\b.*[;>\"]\s*$")


class NoCode(ValueError):
    """The completion holds no program; the message is the reason."""


def extract_code(
    text: str, names: Collection[str], others: Collection[str], *, truncated: bool = False
) -> str:
    """The program in a completion.

    The last fenced block of the wanted language counts, else the last one whose tag is no other language's; a
    block that the completion leaves open runs to its end. Without a fence the whole text is the program.

    Args:
        text: The completion without its thinking (``rewards.thinking``).
        names: The wanted language's name and aliases, in lower case.
        others: Names of all languages.
        truncated: The completion reached its length limit: then a program must be in a closed block.

    Raises:
        NoCode: ``empty``, ``no code``, ``truncated`` or ``code too long``.
    """
    if not text.strip():
        raise NoCode("empty")
    blocks = blocks_of(text)
    if blocks:
        code, closed = _choose(blocks, names, others)
    else:
        before, end, after = text.rpartition("</answer>")
        _, begin, answer = before.rpartition("<answer>")
        if "<answer>" in after:  # opened once more and never closed: the one before was withdrawn
            raise NoCode("no code")
        code, closed = (answer, True) if end and begin else (text, False)
    if truncated and not closed:
        raise NoCode("truncated")
    if not code.strip():
        raise NoCode("no code")
    if len(code) > MAX_CODE:
        raise NoCode("code too long")
    return code if blocks else code.strip("\n")


def _choose(blocks: Sequence[Block], names: Collection[str], others: Collection[str]) -> tuple[str, bool]:
    wanted = [block for block in blocks if block.tag in names]
    untagged = [block for block in blocks if block.tag not in others]
    if not wanted and not untagged:
        raise NoCode("no code")
    chosen = (wanted or untagged)[-1]
    return chosen.code, chosen.closed


def assemble(code: str, prefix: str, entry_point: str, language: str) -> str:
    """A program from a completion that may continue the prompt's code (HumanEval) or repeat it.

    Args:
        code: What the completion holds.
        prefix: Source that the prompt ends in: imports, helpers, the signature, its comment. Empty if there
            is none.
        entry_point: Name of the function.
        language: Name of the language.
    """
    if not prefix.strip() or code.lstrip().startswith(prefix.strip()):
        return _at_margin(code) if language == "python" else code
    if language == "python":
        found = (
            re.search(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", code, re.MULTILINE)
            if entry_point
            else None
        )
        if found or (entry_point and re.search(rf"^{re.escape(entry_point)}[ \t]*=", code, re.MULTILINE)):
            return before_function(prefix, entry_point) + "\n" + code
        return prefix + ("" if prefix.endswith("\n") else "\n") + _indented(code)
    signature = _last_line(prefix)
    if signature and _squeezed(signature) in _squeezed(code):
        have = {_squeezed(line) for line in code.split("\n")}
        headers = [line for line in prefix.split("\n") if _HEADER.match(line) and _squeezed(line) not in have]
        return "\n".join([*headers, code])
    return prefix + ("" if prefix.endswith("\n") else "\n") + code


def _at_margin(program: str) -> str:
    """A whole Python program moved to the margin: one whose first line is indented is none, and often only
    stood in a list."""
    first = next((line for line in program.split("\n") if line.strip()), "")
    return textwrap.dedent(program) if first.startswith((" ", "\t")) else program


@lru_cache(maxsize=256)
def source_in(prompt: str, entry_point: str) -> str:
    """The Python source that a prompt ends in: imports, helpers, and the function that is to be completed;
    empty if there is none.

    It may begin with prose. What a chat template writes behind the source makes it none (then ``code_prompt``
    says it), and so does a function that has its body already: it would be judged instead of the
    completion's.
    """
    function = re.compile(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", re.MULTILINE)
    for start in [0, *(found.start() for found in _SOURCE_LINE.finditer(prompt))]:
        if not entry_point or not function.search(prompt, start):
            return ""
        if _is_open(prompt[start:], entry_point):
            return prompt[start:]
    return ""


def _is_open(source: str, entry_point: str) -> bool:
    """True for Python whose last statement is the function, with nothing but a docstring or a placeholder in
    it."""
    body = _parsed(source) or _parsed(source.rstrip() + "\n    pass\n")
    last = body[-1] if body else None
    if not isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)) or last.name != entry_point:
        return False
    return all(
        isinstance(part, ast.Pass) or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
        for part in last.body
    )


def _parsed(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def before_function(prefix: str, entry_point: str) -> str:
    """The imports and helpers of a Python prompt."""
    found = re.search(
        rf"^(?:@.*\n)*(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", prefix, re.MULTILINE
    )
    return prefix[: found.start()] if found else ""


def _indented(body: str) -> str:
    """A body whose first line lost its indentation, as sampled text often has."""
    lines = body.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith((" ", "\t")):
        return body
    rest = [len(line) - len(line.lstrip()) for line in lines[first + 1 :] if line.strip()]
    if rest and min(rest) >= (8 if lines[first].rstrip().endswith(":") else 4):
        return "\n".join([*lines[:first], "    " + lines[first], *lines[first + 1 :]])
    return "\n".join("    " + line if line.strip() else line for line in lines)


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "")


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)
