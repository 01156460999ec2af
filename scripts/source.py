"""The package's own source, parsed: modules, their imports, functions, and tests of types."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "seqae"


@dataclass(frozen=True)
class Module:
    """One file of the package; `name` is dotted and without the package's own, `""` for the package itself."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of its syntax tree."""
        return list(ast.walk(ast.parse(self.text)))

    @property
    def room(self) -> tuple[str, ...]:
        """The folders that the file lies in."""
        return self.path.relative_to(PACKAGE).parts[:-1]


def modules() -> dict[str, Module]:
    """All modules by name, `__main__` left out."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name != "__main__":
            found[name] = Module(name, path)
    return found


def imports(module: Module, names: Iterable[str]) -> set[str]:
    """Names of the package's modules that a module imports, anywhere in it: in functions and for type checking too."""
    known = set(names)
    found = set()
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            if base is None:
                continue
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                found.add(inner if inner in known else base)
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("seqae").lstrip(".") for alias in node.names if _is_own(alias.name)}
    return (found & known) - {module.name}


def _base(module: Module, node: ast.ImportFrom) -> str | None:
    """The module that a `from` names; None where it is not the package's."""
    if node.level:
        return ".".join((*module.room[: len(module.room) - node.level + 1], *filter(None, [node.module])))
    return (node.module or "").removeprefix("seqae").lstrip(".") if _is_own(node.module or "") else None


def _is_own(name: str) -> bool:
    return name.split(".")[0] == "seqae" and name != "seqae._native"


def graph(found: dict[str, Module]) -> dict[str, set[str]]:
    """What each module imports."""
    return {name: imports(module, found) for name, module in found.items()}


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others."""
    reached = {name: _reachable(name, edges) for name in edges}
    groups = {
        frozenset(other for other in edges if other in reached[name] and name in reached[other]) for name in edges
    }
    return sorted(sorted(group) for group in groups if group)


def _reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def longest_chain(edges: dict[str, set[str]]) -> list[str]:
    """The longest way down from import to import; of modules in a circle, each is entered once."""
    known: dict[str, list[str]] = {}

    def below(name: str, above: frozenset[str]) -> list[str]:
        if name not in known:
            ways = [below(other, above | {name}) for other in sorted(edges[name] - above)]
            known[name] = [name, *max(ways, key=len, default=[])]
        return known[name]

    return max((below(name, frozenset()) for name in edges), key=len)


def function_lengths(module: Module) -> Iterator[tuple[str, int]]:
    """Name and lines of each function, its signature and decorators counted, its docstring not."""
    for node in module.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            n_lines = (node.end_lineno or first) - first + 1
            if ast.get_docstring(node) is not None:
                n_lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
            yield f"{module.path.relative_to(ROOT)}:{node.lineno} {node.name}", n_lines


def own_types(found: Iterable[Module]) -> set[str]:
    """Names of the package's classes, and of module-level unions of them."""
    nodes = list(chain.from_iterable(module.nodes for module in found))
    names = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    for node in nodes:
        is_union = isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp | ast.Tuple)
        if is_union and {name for _, name in _names(node.value)} & names:
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def type_tests(module: Module, types: set[str]) -> Iterator[tuple[str, bool]]:
    """Each isinstance, issubclass or class pattern on one of `types`: its place, and whether a comment is beside it."""
    seen = _own_names(module)
    lines = module.text.splitlines()
    for node in module.nodes:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "issubclass")
        ):
            expression, line = node.args[1], node.lineno
        elif isinstance(node, ast.MatchClass):
            expression, line = node.cls, node.lineno
        else:
            continue
        tested = sorted(name for first, name in _names(expression) if first in seen and name in types)
        if tested:
            is_told = "#" in lines[line - 1] or lines[line - 2].lstrip().startswith("#")
            yield f"{module.path.relative_to(ROOT)}:{line} {', '.join(tested)}", is_told


def _own_names(module: Module) -> set[str]:
    """Names in a file that stand for something of the package."""
    found = {node.name for node in module.nodes if isinstance(node, ast.ClassDef)}
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and _base(module, node) is not None:
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def _names(node: ast.AST) -> set[tuple[str, str]]:
    """The first and last part of each plain or dotted name in an expression."""
    plain = {(part.id, part.id) for part in ast.walk(node) if isinstance(part, ast.Name)}
    dotted = {
        (ast.unparse(part).split(".")[0], part.attr) for part in ast.walk(node) if isinstance(part, ast.Attribute)
    }
    return plain | dotted


def any_count(module: Module) -> int:
    """How often `Any` stands in a file."""
    return len(re.findall(r"\bAny\b", module.text))
