"""Figures of the code's structure, their limits, and who exceeds them: `python -m scripts.structure`.

It exits with 1 where a figure is above what `LIMITS` holds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass, field
from functools import cache

from . import layers, source
from .walks import walks


@dataclass(frozen=True)
class Limit:
    """The most that a figure may be, and what it must come down to."""

    held: float
    goal: float


# The one table of limits. `held` only ever falls, until it is `goal`.
LIMITS = {
    "modules entered by SequenceAutoencoder.fit": Limit(37, goal=32),
    "modules entered by SequenceAutoencoder.transform": Limit(32, goal=32),
    'modules entered by SequenceAutoencoder("repeat").fit': Limit(24, goal=24),
    'modules entered by SequenceAutoencoder("repeat").transform': Limit(24, goal=24),
    "modules entered by AnomalyDetector.fit": Limit(32, goal=32),
    "modules entered by AnomalyDetector.detect": Limit(32, goal=32),
    "longest chain of imports": Limit(15, goal=15),
    "circles of imports": Limit(0, goal=0),
    "imports that point up": Limit(0, goal=0),
    "modules without a place in ARCHITECTURE.md": Limit(0, goal=0),
    "files in ARCHITECTURE.md that do not exist": Limit(0, goal=0),
    "tests of own types in detection": Limit(0, goal=0),
    "tests of own types elsewhere": Limit(3, goal=3),
    "tests of own types without a reason beside them": Limit(0, goal=0),
    "mentions of Any": Limit(168, goal=168),
    "lines of the longest file": Limit(400, goal=400),
    "lines of a file, median": Limit(200, goal=200),
    "lines of the longest function, signature counted": Limit(50, goal=50),
    "functions of more than 50 lines": Limit(0, goal=0),
    "lines of a function, median": Limit(8, goal=8),
    "lines of a function, 90 % of them at most": Limit(30, goal=30),
}


@dataclass(frozen=True)
class Figure:
    """One measured figure, with what makes it up."""

    name: str
    value: float
    parts: list[str] = field(default_factory=list)

    @property
    def limit(self) -> Limit:
        return LIMITS[self.name]

    @property
    def is_held(self) -> bool:
        return self.value <= self.limit.held


@cache
def code() -> dict[str, source.Module]:
    """The package's modules, read once."""
    return source.modules()


@cache
def figures_of_walks() -> list[Figure]:
    """How many modules a reader of each call must open."""
    return [Figure(f"modules entered by {call}", len(found), sorted(found)) for call, found in walks().items()]


@cache
def figures_of_imports() -> list[Figure]:
    """Chains, circles and layers. Imports in functions and for type checking count as well."""
    found = code()
    edges = source.graph(found)
    chain = source.longest_chain(edges)
    circles = [" - ".join(circle) for circle in source.circles(edges)]
    return [
        Figure("longest chain of imports", len(chain) - 1, [" > ".join(chain)]),
        Figure("circles of imports", len(circles), circles),
        _counted("imports that point up", layers.upward(edges)),
        _counted("modules without a place in ARCHITECTURE.md", layers.unplaced(found, edges)),
        _counted("files in ARCHITECTURE.md that do not exist", layers.invented(found)),
    ]


@cache
def figures_of_types() -> list[Figure]:
    """Ladders over our own classes, and how much a type checker is not told."""
    found = code().values()
    types = source.own_types(found)
    tests = [(module, *test) for module in found for test in source.type_tests(module, types)]
    counts = {module.name: source.any_count(module) for module in found}
    worst = sorted((name for name in counts if counts[name]), key=lambda name: -counts[name])
    return [
        _counted("tests of own types in detection", [test for m, test, _ in tests if m.room[:1] == ("detection",)]),
        _counted("tests of own types elsewhere", [test for m, test, _ in tests if m.room[:1] != ("detection",)]),
        _counted("tests of own types without a reason beside them", [test for _, test, told in tests if not told]),
        Figure("mentions of Any", sum(counts.values()), [f"{name} {counts[name]}" for name in worst]),
    ]


@cache
def figures_of_lengths() -> list[Figure]:
    """Lines of files, and of functions with their signatures."""
    found = code().values()
    files = {str(module.path.relative_to(source.ROOT)): len(module.text.splitlines()) for module in found}
    functions = dict(length for module in found for length in source.function_lengths(module))
    return [
        Figure("lines of the longest file", max(files.values()), _longest(files, 400)),
        Figure("lines of a file, median", statistics.median(files.values())),
        Figure("lines of the longest function, signature counted", max(functions.values()), _longest(functions, 50)),
        _counted("functions of more than 50 lines", _longest(functions, 50)),
        Figure("lines of a function, median", statistics.median(functions.values())),
        Figure("lines of a function, 90 % of them at most", statistics.quantiles(functions.values(), n=10)[-1]),
    ]


def _counted(name: str, parts: list[str]) -> Figure:
    return Figure(name, len(parts), parts)


def _longest(lengths: dict[str, int], limit: int) -> list[str]:
    return [f"{name} {n}" for name, n in lengths.items() if n > limit]


def figures() -> list[Figure]:
    """All of them, in the order of `LIMITS`."""
    return [*figures_of_walks(), *figures_of_imports(), *figures_of_types(), *figures_of_lengths()]


def main() -> int:
    """Print the table, and the parts of each figure that is above its goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", action="store_true", help="name what makes up each figure, also where it is reached")
    is_verbose = parser.parse_args().names
    measured = figures()
    for figure in measured:
        limit = figure.limit
        state = "ABOVE" if not figure.is_held else f"held at {limit.held:g}" if figure.value > limit.goal else ""
        print(f"{figure.name:52} {figure.value:5g}  goal {limit.goal:<5g} {state}".rstrip())
        if figure.parts and (is_verbose or not figure.is_held):
            print(*(f"    {part}" for part in figure.parts), sep="\n")
    return 0 if all(figure.is_held for figure in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
