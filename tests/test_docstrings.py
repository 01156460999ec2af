"""The examples in docstrings of public names run and print what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import seqae

HOMES = sorted({value.__module__ for name in seqae.__all__ if hasattr(value := getattr(seqae, name), "__module__")})


def found() -> list[doctest.DocTest]:
    modules = [importlib.import_module(name) for name in HOMES]
    tests = [test for module in modules for test in doctest.DocTestFinder().find(module)]
    return [test for test in tests if test.examples]


@pytest.mark.parametrize("test", found(), ids=lambda test: test.name)
def test_an_example_prints_what_it_says(test: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert not result.failed, "".join(told)
    assert result.attempted == len(test.examples)


def test_there_are_examples() -> None:
    assert len(found()) >= 8
