"""What the README shows is run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seqae.cli import app

from .test_cli import make_walks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str, page: Path = ROOT / "README.md") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def test_first_screen_has_demo_test_and_ten_lines_of_python() -> None:
    first_screen = README.splitlines()[:30]
    assert any(line.startswith("make demo") for line in first_screen)
    assert any(line.startswith("make test") for line in first_screen)
    lines = [line for line in blocks("python")[0].splitlines() if line]
    assert len(lines) <= 11
    assert lines[-1] in first_screen


def test_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks("python"):
        names: dict[str, object] = {}
        exec(block, names)
        assert names["vectors"].shape == (370, 128)
        assert len(names["again"][0]) == len(names["test"][0])
        assert names["longer"][0].shape == (40, 12)


def test_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_walks().to_csv("walks.csv", index=False)
    make_walks().to_csv("new.csv", index=False)
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("seqae ")]
    assert [line.split()[1] for line in lines] == ["fit", "embed", "nearest", "reconstruct", "info"]
    for line in lines:
        quick = ["--max-epochs", "1"] if line.startswith("seqae fit") else []
        result = CliRunner().invoke(app, shlex.split(line)[1:] + quick)
        assert result.exit_code == 0, result.stderr
    assert np.isfinite(pd.read_csv("errors.csv")["error"]).all()


def test_the_error_is_what_the_command_line_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{person},{second},1,1" for person in ("bob", "ann") for second in range(14)]
    rows[17] = "ann,3,,1"
    Path("new.csv").write_text("\n".join(["person,second,x,y", *rows]))
    result = CliRunner().invoke(
        app, ["fit", "new.csv", "--id", "person", "--time", "second", "--missing", "error", "-o", "m.seqae"]
    )
    assert result.stderr in blocks("text")


@pytest.mark.long
@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_run(path: Path) -> None:
    result = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    page = ROOT / "docs" / f"{path.stem}.md"
    if page.exists():
        assert_alike(result.stdout, next(block for block in blocks("text", page) if "mean sequence" in block))
    assert result.stdout


def assert_alike(printed: str, page: str) -> None:
    """The same lines, but for a point of every percentage: other processors round otherwise."""
    number = r"(\d+\.\d)%"
    assert re.sub(rf" *{number}", "%", printed) == re.sub(rf" *{number}", "%", page)
    np.testing.assert_allclose(
        [float(x) for x in re.findall(number, printed)], [float(x) for x in re.findall(number, page)], atol=1.0
    )


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
