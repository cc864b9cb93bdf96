"""Figures of a checkout's own packages, from its files' syntax trees."""

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

PACKAGES = ("t2rl", "rl", "rollout", "rewards", "curricula", "planner", "configs")
LIMITS = {
    "loose modules in rl": 0,
    "circles of modules": 0,
    "longest file (lines)": 400,
    "longest function (lines)": 60,
    "lines over 110 columns": 0,
    "undocumented config fields": 0,
    "broad excepts": 5,
}
SECTION_BASES = ("Section", "BaseModel")
_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class House:
    """What was measured."""

    figures: dict[str, float]
    """Name of a figure -> its value, in the order in which they are shown."""
    offenders: dict[str, list[str]]
    """Name of a figure that has a limit -> the places over it."""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    source: str

    @property
    def lines(self) -> int:
        return self.source.count("\n")


@dataclass(frozen=True, slots=True)
class _Module(_File):
    name: str
    nodes: tuple[ast.AST, ...]
    """Of its syntax tree, the module first."""


def measure(root: Path) -> House:
    """Measure a checkout: its packages, and the length of files also in tests, benchmarks and examples."""
    modules = [_module(root, path) for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    beside = [
        _File(path.relative_to(root), path.read_text(encoding="utf-8"))
        for folder in ("benchmarks", "deploy", "tests", "examples")
        for path in sorted((root / folder).rglob("*.py"))
    ]
    functions = [(m, node) for m in modules for node in m.nodes if isinstance(node, _Function)]
    loose = [m.name for m in modules if m.path.parent == Path("rl") and m.path.name != "__init__.py"]
    imports = _imports(modules)
    circles, arrows = _circles(imports), _room_arrows(imports)
    fields = list(_fields(modules))
    broad = [
        f"{m.path}:{n.lineno}"
        for m in modules
        for n in m.nodes
        if isinstance(n, ast.ExceptHandler) and _is_broad(n)
    ]
    code_lines = sum(_code_lines(m.source) for m in modules)
    offenders = {
        "loose modules in rl": loose,
        "circles of modules": [" <-> ".join(sorted(circle)) for circle in circles],
        "longest file (lines)": [f"{m.path} ({m.lines})" for m in modules + beside if m.lines > 400],
        "longest function (lines)": [
            f"{m.path}:{node.lineno} {node.name} ({_length(node)})"
            for m, node in functions
            if _length(node) > 60
        ],
        "lines over 110 columns": [
            f"{m.path}:{number}"
            for m in modules + beside
            for number, line in enumerate(m.source.split("\n"), 1)
            if len(line) > 110
        ],
        "undocumented config fields": [name for name, documented in fields if not documented],
        "broad excepts": broad if len(broad) > LIMITS["broad excepts"] else [],
    }
    figures = {
        "files": len(modules),
        "lines": sum(m.lines for m in modules),
        "functions": len(functions),
        "lines of a function (mean)": round(mean(_length(node) for _, node in functions), 1),
        "loose modules in rl": len(loose),
        "rooms and loose modules of rl": len({room for arrow in arrows for room in arrow}),
        "arrows between them": len(arrows),
        "circles of modules": len(circles),
        "longest file (lines)": max(m.lines for m in modules + beside),
        "longest function (lines)": max(_length(node) for _, node in functions),
        "lines over 110 columns": len(offenders["lines over 110 columns"]),
        "config fields": len(fields),
        "undocumented config fields": sum(not documented for _, documented in fields),
        "broad excepts": len(broad),
        "syntax nodes a line": round(sum(_num_nodes(m.nodes) for m in modules) / code_lines, 2),
        "lines over 100 columns (%)": round(100 * _share_over(modules, 100), 1),
        'docstrings that begin with "Of" or "What"': sum(_riddles(m.nodes) for m in modules),
    }
    return House(figures=figures, offenders=offenders)


def _module(root: Path, path: Path) -> _Module:
    relative = path.relative_to(root)
    name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
    source = path.read_text(encoding="utf-8")
    nodes = tuple(ast.walk(ast.parse(source)))
    return _Module(path=relative, source=source, name=name, nodes=nodes)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {one.id if isinstance(one, ast.Name) else one for one in caught}
    return not names.isdisjoint({None, "Exception", "BaseException"})


def _imports(modules: list[_Module]) -> dict[str, set[str]]:
    """Return the imports between the modules, also those inside functions and under TYPE_CHECKING."""
    names = {m.name for m in modules}
    graph: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        for node in module.nodes:
            targets: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module:
                within = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [name if name in names else node.module for name in within]
            elif isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            graph[module.name] |= {target for target in targets if target in names and target != module.name}
    return graph


def _circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one module (Tarjan, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles = []
    for start in graph:
        work: list[tuple[str, Iterator[str]]] = []
        if start not in index:
            work.append((start, iter(sorted(graph[start]))))
        while work:
            name, following = work[-1]
            if name not in index:
                index[name] = low[name] = len(index)
                stack.append(name)
            for other in following:
                if other not in index:
                    work.append((other, iter(sorted(graph[other]))))
                    break
                if other in stack:
                    low[name] = min(low[name], low[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    at = stack.index(name)
                    if len(stack) - at > 1:
                        circles.append(stack[at:])
                    del stack[at:]
    return circles


def _room_arrows(imports: dict[str, set[str]]) -> set[tuple[str, str]]:
    def room(name: str) -> str:
        return name.split(".")[1] if name.startswith("rl.") else ""

    return {
        (room(name), room(target))
        for name, targets in imports.items()
        for target in targets
        if room(name) and room(target) and room(name) != room(target)
    }


def _fields(modules: list[_Module]) -> Iterator[tuple[str, bool]]:
    """Yield every field of the classes in ``rl.config`` that pydantic reads, and whether it is documented."""
    classes = {
        node.name: (module, node)
        for module in modules
        if module.name.startswith("rl.config")
        for node in module.nodes
        if isinstance(node, ast.ClassDef)
    }

    def is_section(node: ast.ClassDef) -> bool:
        bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
        return any(
            base in SECTION_BASES or (base in classes and is_section(classes[base][1])) for base in bases
        )

    for name, (_, node) in classes.items():
        if not is_section(node):
            continue
        for statement, after in zip(node.body, [*node.body[1:], None], strict=True):
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                continue
            if "ClassVar" in ast.unparse(statement.annotation) or statement.target.id.startswith("_"):
                continue
            by_string = (
                isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
                and isinstance(after.value.value, str)
            )
            by_field = statement.value is not None and "description=" in ast.unparse(statement.value)
            # A field that is a section is explained by the section's own docstring.
            words = {n.id for n in ast.walk(statement.annotation) if isinstance(n, ast.Name)}
            by_section = any(ast.get_docstring(classes[word][1]) for word in words if word in classes)
            yield f"{name}.{statement.target.id}", by_string or by_field or by_section


def _docstrings(nodes: Iterable[ast.AST]) -> list[ast.Expr]:
    return [
        node
        for node in nodes
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]


def _riddles(nodes: Iterable[ast.AST]) -> int:
    texts = [node.value.value for node in _docstrings(nodes) if isinstance(node.value, ast.Constant)]
    return sum(str(text).startswith(("Of ", "What ")) for text in texts)


def _num_nodes(nodes: Sequence[ast.AST]) -> int:
    """Count the nodes of a syntax tree without contexts (Load, Store, Del) and docstrings."""
    ignored = {id(child) for doc in _docstrings(nodes) for child in ast.walk(doc)}
    return sum(id(n) not in ignored and not isinstance(n, ast.expr_context) for n in nodes)


def _code_lines(source: str) -> int:
    """Count the lines that hold code: no blank line, comment or docstring."""
    lines: set[int] = set()
    start_of_statement = True
    silent = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in silent or token.type == tokenize.ENDMARKER:
            start_of_statement = start_of_statement or token.type == tokenize.NEWLINE
            continue
        if not (token.type == tokenize.STRING and start_of_statement):
            lines |= set(range(token.start[0], token.end[0] + 1))
        start_of_statement = False
    return len(lines)


def _share_over(modules: list[_Module], columns: int) -> float:
    lengths = [len(line) for module in modules for line in module.source.split("\n")]
    return sum(length > columns for length in lengths) / len(lengths)
