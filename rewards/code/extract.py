"""Which part of a completion is the program."""

import re
from collections.abc import Collection

MAX_CODE = 256 << 10
"""Characters; longer programs are not run."""

_FENCE = re.compile(r"^[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<tag>[^\s`{]*)[^\n]*$", re.MULTILINE)
_HEADER = re.compile(r"\s*(?:#\s*include|using|import|use)\b.*[;>\"]\s*$")


class NoCode(ValueError):
    """The completion holds no program; the message is the reason."""


def extract_code(text: str, names: Collection[str], others: Collection[str], *, truncated: bool = False) -> str:
    """The program in a completion.

    The last fenced block of the wanted language counts, else the last one whose tag is no other language's; a block that the
    completion leaves open runs to its end. Without a fence the whole text is the program. What is thought (up to ``</think>``) is
    not looked at.

    Args:
        text: The completion.
        names: The wanted language's name and aliases, in lower case.
        others: Names of all languages.
        truncated: The completion reached its length limit: then a program must be in a closed block.

    Raises:
        NoCode: ``empty``, ``no code``, ``truncated`` or ``code too long``.
    """
    if not text.strip():
        raise NoCode("empty")
    said = _without_thoughts(text)
    blocks = _blocks(said)
    if blocks:
        code, closed = _choose(blocks, names, others)
    else:
        before, end, _ = said.rpartition("</answer>")
        _, begin, answer = before.rpartition("<answer>")
        code, closed = (answer, True) if end and begin else (said, False)
    if truncated and not closed:
        raise NoCode("truncated")
    if not code.strip():
        raise NoCode("no code")
    if len(code) > MAX_CODE:
        raise NoCode("code too long")
    return code if blocks else code.strip("\n")


def _without_thoughts(text: str) -> str:
    _, end, after = text.rpartition("</think>")
    if end:
        return after
    if text.lstrip().startswith("<think>"):
        raise NoCode("no code")
    return text


def _blocks(text: str) -> list[tuple[str, str, bool]]:
    """(tag, code, closed) of every fenced block; a fence ends at the first line with no tag and at least its length of its kind."""
    blocks: list[tuple[str, str, bool]] = []
    opened: re.Match[str] | None = None
    for match in _FENCE.finditer(text):
        if opened is None:
            opened = match
        elif not match["tag"] and match["fence"].startswith(opened["fence"]):
            blocks.append((opened["tag"], text[opened.end() + 1 : match.start()], True))
            opened = None
        elif match["tag"] and match["fence"] == opened["fence"]:  # never closed: the next block begins
            blocks.append((opened["tag"], text[opened.end() + 1 : match.start()], False))
            opened = match
    if opened is not None:
        blocks.append((opened["tag"], text[opened.end() + 1 :], False))
    return [(tag.strip("{}.").lower(), code, closed) for tag, code, closed in blocks]


def _choose(blocks: list[tuple[str, str, bool]], names: Collection[str], others: Collection[str]) -> tuple[str, bool]:
    wanted = [block for block in blocks if block[0] in names]
    untagged = [block for block in blocks if block[0] not in others]
    if not wanted and not untagged:
        raise NoCode("no code")
    _, code, closed = (wanted or untagged)[-1]
    return code, closed


def assemble(code: str, prefix: str, entry_point: str, language: str) -> str:
    """A program from a completion that may continue the prompt's code (HumanEval) or repeat it.

    Args:
        code: What the completion holds.
        prefix: Source that the prompt ends in: imports, helpers, the signature, its comment. Empty if there is none.
        entry_point: Name of the function.
        language: Name of the language.
    """
    if not prefix.strip() or code.lstrip().startswith(prefix.strip()):
        return code
    if language == "python":
        found = re.search(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", code, re.MULTILINE) if entry_point else None
        if found or (entry_point and re.search(rf"^{re.escape(entry_point)}[ \t]*=", code, re.MULTILINE)):
            return before_function(prefix, entry_point) + "\n" + code
        return prefix + ("" if prefix.endswith("\n") else "\n") + _indented(code)
    signature = _last_line(prefix)
    if signature and _squeezed(signature) in _squeezed(code):
        have = {_squeezed(line) for line in code.split("\n")}
        headers = [line for line in prefix.split("\n") if _HEADER.match(line) and _squeezed(line) not in have]
        return "\n".join([*headers, code])
    return prefix + ("" if prefix.endswith("\n") else "\n") + code


def before_function(prefix: str, entry_point: str) -> str:
    """The imports and helpers of a Python prompt."""
    found = re.search(rf"^(?:@.*\n)*(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b", prefix, re.MULTILINE)
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
