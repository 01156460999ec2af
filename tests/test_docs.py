"""What README and docs show is run: blocks of Python in order, in one namespace a page, and commands."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import seqae
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
    languages = set(re.findall(r"^```([\w{}-]*)\n(?:.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert languages <= {"python", "sh", "text", "c", "bash", "yaml", "{toctree}"}
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / target).exists(), target


@pytest.mark.long
def test_recipes_for_many_machines_run(folder: Path) -> None:
    """Two parts of each, since a process takes its time to start."""
    page = ROOT / "docs" / "scale.md"
    several, slurm = blocks(page, "bash")
    (kubernetes,) = re.findall(r"^ *- (seqae .*)$", blocks(page, "yaml")[0], re.MULTILINE)
    seqae = f'seqae() {{ "{sys.executable}" -m seqae "$@"; }}; export -f seqae; set -eu; '
    first = "seqae fit walks.csv --id person --time second --quality fast -o walks.seqae"
    each = several.replace("4", "2").replace("-I{} seqae", "-I{} bash -c 'seqae \"$@\"' -")
    recipes = [
        first,
        each,
        slurm.replace("vectors", "slurm"),
        kubernetes.replace("/4", "/2").replace("vectors", "pods"),
    ]
    numbers = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "2", "JOB_COMPLETION_INDEX": "1"}
    for recipe in recipes:
        done = subprocess.run(["bash", "-c", seqae + recipe], env=os.environ | numbers, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    whole = pq.read_table("vectors.parquet")
    for name in ("slurm", "pods"):
        part = pq.read_table(f"{name}.part-2-of-2.parquet")
        assert part.equals(whole.slice(len(whole) - len(part)))


@pytest.mark.long
def test_the_site_is_built_without_a_warning_and_has_each_public_name(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("pydata_sphinx_theme")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("api"))
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "html", "docs", "site"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in seqae.__all__:
        page = (tmp_path / "site" / "api" / f"{name}.html").read_text()
        assert f"seqae.{name}" in page
        assert "Parameters:" not in page  # it is a heading there


def test_docstrings_become_paragraphs_lists_and_formulas() -> None:
    rst = runpy.run_path(str(ROOT / "docs" / "docstrings.py"))["as_rst"]
    plain = [
        "What it is, by `name` and *star.",
        "",
        "Parameters:",
        "a: one",
        "    more of it",
        "b, c_: two",
        "",
        "    y = x",
    ]
    assert rst(plain) == [
        *("What it is, by ``name`` and \\*star.", ""),
        *("**Parameters**", "", "", "* **a**: one", "  more of it", "", "* **b, c\\_**: two", ""),
        *("::", "", "    y = x", ""),
    ]
    assert rst(["Note: a sentence of", "two lines."]) == ["", "* **Note**: a sentence of", "  two lines.", ""]
    assert rst(["x: a number.", "Raises InvalidSequence for", "text."]) == [
        *("", "* **x**: a number.", "", "Raises InvalidSequence for", "text.", ""),
    ]
    assert rst([">>> 1 + 1", "2"]) == [">>> 1 + 1", "2", ""]
