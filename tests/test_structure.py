"""The figures of scripts/structure.py, on small packages of which they are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts import layers, source, structure


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty package in the place of seqae's."""
    monkeypatch.setattr(source, "ROOT", tmp_path)
    monkeypatch.setattr(source, "PACKAGE", tmp_path)
    monkeypatch.setattr(layers, "PAGE", tmp_path / "ARCHITECTURE.md")
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").write_text('"""A room."""\n')
    return tmp_path


def edges() -> dict[str, set[str]]:
    return source.graph(source.modules())


def test_imports_of_every_kind_are_seen(package: Path) -> None:
    (package / "low.py").write_text("")
    (package / "room" / "own.py").write_text("import seqae.low\n")
    (package / "room" / "user.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from . import own\n"
        "from seqae.low import x\n"
        "if TYPE_CHECKING:\n    from ..top import Top\n"
        "def f():\n    from ..late import y\n"
    )
    (package / "top.py").write_text("import numpy\n")
    (package / "late.py").write_text("from seqae import _native\n")
    found = edges()
    assert found["room.user"] == {"room.own", "low", "top", "late"}
    assert found["room.own"] == {"low"}
    assert found["top"] == set()


def test_circles_and_chains_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"e"}}
    assert source.circles(graph) == [["b", "c"], ["e"]]
    assert source.longest_chain(graph) == ["a", "b", "c", "d"]


def test_layers_are_those_of_the_table(package: Path) -> None:
    for name in ("low", "other", "room/first", "room/second", "room/third"):
        (package / f"{name}.py").write_text("")
    (package / "room" / "first.py").write_text("from .second import x\n")
    (package / "room" / "second.py").write_text("from ..low import x\nfrom ..other import y\n")
    (package / "low.py").write_text("from .room import first\n")
    (package / "ARCHITECTURE.md").write_text(
        "| 1 | `seqae/` | x | `low` `gone` |\n"
        "| 2 | `room/` | y | `first` `second` |\n"
        "| 2 | `seqae/` | z | `other` |\n"
        "`room/first.py`, `room/none.py` and `native/x.inl.h`\n"
    )
    found = source.modules()
    assert layers.upward(edges()) == [
        "low imports room.first",
        "room.first imports room.second",
        "room.second imports other",
    ]
    assert layers.unplaced(found, edges()) == ["room.third"]
    assert layers.invented(found) == ["gone", "native/x.inl.h", "room/none.py"]


def test_lengths_count_signatures_and_decorators_but_no_docstring(package: Path) -> None:
    (package / "low.py").write_text(
        '@cache\ndef f(\n    x,\n    y,\n):\n    """One.\n\n    Two.\n    """\n    return x\n'
    )
    assert [n for _, n in source.function_lengths(source.modules()["low"])] == [6]


def test_tests_of_own_types_are_found(package: Path) -> None:
    (package / "low.py").write_text("class A: ...\nclass B: ...\nE = A | B\n")
    (package / "user.py").write_text(
        "import numpy as np\nfrom .low import A, E\nfrom . import low\n"
        "isinstance(x, A | int)\n"
        "isinstance(x, np.A)\n"
        "# users hand over either\nisinstance(x, E)\n"
        "isinstance(x, low.B)  # told\n"
        "isinstance(x, int)\n"
        "match x:\n    case A():\n        pass\n"
    )
    found = source.modules()
    types = source.own_types(found.values())
    tests = sorted(source.type_tests(found["user"], types))
    assert tests == [
        ("user.py:11 A", False),
        ("user.py:4 A", False),
        ("user.py:7 E", True),
        ("user.py:8 B", True),
    ]


def test_a_figure_above_its_limit_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(structure, "LIMITS", {"x": structure.Limit(3, goal=2)})
    monkeypatch.setattr("sys.argv", ["structure"])
    for value, code in ((2, 0), (3, 0), (4, 1)):
        monkeypatch.setattr(structure, "figures", lambda value=value: [structure.Figure("x", value, ["who"])])
        assert structure.main() == code
        assert ("who" in capsys.readouterr().out) == bool(code)
