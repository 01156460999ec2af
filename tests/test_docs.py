"""What README and docs show is run: blocks of Python in order, in one namespace a page, and commands."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seqae.cli import app

from .conftest import make_waves
from .test_cli import make_walks

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
QUICK = {"fit": ["--max-epochs", "1"], "compare": ["--max-epochs", "1", "--n-seeds", "1"]}


def names_of(path: Path) -> str:
    return path.name


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the files that the pages' commands name."""
    monkeypatch.chdir(tmp_path)
    for name in ("walks", "new"):
        make_walks().to_csv(f"{name}.csv", index=False)
    for seed, name in enumerate(("last_month", "today", "tomorrow")):
        wave = make_waves(1, seed=seed, shortest=80, longest=80)[0]
        frame = pd.DataFrame({"minute": np.arange(80), "a": wave[:, 0], "b": wave[:, 1]})
        frame.to_csv(f"{name}.csv", index=False)
    names = ["anna", "bob", "carla", "dora", "emil", "fred"] * 4
    pd.DataFrame({"name": names}).to_csv("names.csv", index=False)
    Path("normal.txt").write_text("\n".join(names))
    Path("new.txt").write_text("otto\nanna")
    shutil.copy(ROOT / "tests" / "fixtures" / "keras" / "gru_bidirectional.keras", "model.keras")
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=names_of)
def test_python_runs(page: Path, folder: Path) -> None:
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=names_of)
def test_commands_run(page: Path, folder: Path) -> None:
    for line in "".join(blocks(page, "sh")).splitlines():
        if not line.startswith("seqae "):
            assert re.match(r"(make|python|pip) ", line), line
            continue
        command, *arguments = shlex.split(line, comments=True)[1:]
        result = CliRunner().invoke(app, [command, *arguments, *QUICK.get(command, [])])
        assert result.exit_code == 0, f"{line}\n{result.output}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "benchmarks" / "README.md"], ids=names_of)
def test_blocks_have_a_language_that_is_run_and_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"^```(\w*)\n(?:.*?)^```$", text, re.MULTILINE | re.DOTALL)) <= {"python", "sh", "text", "c"}
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / target).exists(), target
