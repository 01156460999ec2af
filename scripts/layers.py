"""The table of layers in ARCHITECTURE.md, and what in the code contradicts it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import source
from .source import ROOT, Module

PAGE = ROOT / "ARCHITECTURE.md"
ROW = re.compile(r"^\| (\d+) \| `([\w/]+)/` \| [^|]* \| (.*) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """Where a module stands: its row's layer, its room, and its number among the files of that row."""

    layer: int
    room: str
    number: int


def table() -> dict[str, Place]:
    """The place of each module that ARCHITECTURE.md names, rooms written from `seqae/` on, files from their room on."""
    places: dict[str, Place] = {}
    for layer, room, files in ROW.findall(PAGE.read_text()):
        inside = room.removeprefix("seqae").strip("/").replace("/", ".")
        for number, file in enumerate(re.findall(r"`([\w/]+)`", files)):
            name = f"{inside}.{file.replace('/', '.')}".removesuffix("__init__").strip(".")
            if name in places:
                raise ValueError(f"ARCHITECTURE.md names {name} twice")
            places[name] = Place(int(layer), room, number)
    return places


def unplaced(found: dict[str, Module], edges: dict[str, set[str]]) -> list[str]:
    """Modules that have no place in the table; a folder's `__init__` needs one only if it imports something."""
    places = table()
    needed = {name for name in found if edges[name] or found[name].path.name != "__init__.py"} - {""}
    return sorted(needed - set(places))


def invented(found: dict[str, Module]) -> list[str]:
    """Modules that the table names, and files that the page names anywhere, that do not exist."""
    files = re.findall(r"`((?:\w+/)*\w+(?:\.inl)?\.(?:py|h|cpp|md))`", PAGE.read_text())
    missing = {file for file in files if not any((folder / file).exists() for folder in (source.PACKAGE, source.ROOT))}
    return sorted((set(table()) - set(found)) | missing)


def upward(edges: dict[str, set[str]]) -> list[str]:
    """Imports of a module that is neither in a lower layer nor earlier in the same row. The package's own are free."""
    places = table()
    return sorted(
        f"{name} imports {other}"
        for name, imported in edges.items()
        for other in imported
        if name in places and not (other in places and _is_below(places[other], places[name]))
    )


def _is_below(lower: Place, upper: Place) -> bool:
    if lower.layer != upper.layer:
        return lower.layer < upper.layer
    return lower.room == upper.room and lower.number < upper.number
