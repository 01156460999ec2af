"""seqae bench: speed of seqae and its peers on this machine."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from .group import BAD_INPUT, fail

ROOT = Path(__file__).parents[3]
"""The folder with pyproject.toml where this is a checkout of the source."""


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="An eighth of the data, three repeats.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the table, as Parquet or CSV.")
    ] = None,
) -> None:
    """Time training, embedding and decoding beside torch, as ratios within one run (median of five).

    The benchmarks are part of the source, not of the installed package.
    """
    if not (ROOT / "benchmarks" / "speed").is_dir():
        fail("the benchmarks are not part of the package; get its source, and install that with `pip install -e .`")
        raise typer.Exit(BAD_INPUT)
    sys.path.insert(0, str(ROOT))
    importlib.import_module("benchmarks.speed.report").run(is_quick=quick, output=output)
