"""Arguments and options that several commands take, each declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DATA_PANEL = "How the data is laid out"


class Missing(StrEnum):
    """What to do about missing values."""

    error = "error"
    mask = "mask"


Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", help="CSV, TSV, Parquet, Arrow, NPZ, NPY, JSON Lines, .ts or .txt file.", show_default=False
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model that fit saved.", show_default=False)]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="A .parquet or .csv file to write.", show_default=False)
]
Id = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="COLUMN",
        help="The sequence of each row; without, one series.",
        rich_help_panel=DATA_PANEL,
    ),
]
Time = Annotated[
    str | None,
    typer.Option("--time", metavar="COLUMN", help="Must increase within each sequence.", rich_help_panel=DATA_PANEL),
]
Channels = Annotated[
    str | None,
    typer.Option(
        "--channels", metavar="A,B,...", help="The columns to use, if not all others.", rich_help_panel=DATA_PANEL
    ),
]
Wide = Annotated[
    bool,
    typer.Option("--wide", help="One row per sequence, one column per step.", rich_help_panel=DATA_PANEL),
]
MissingValues = Annotated[
    Missing,
    typer.Option("--missing", help="What to do about missing values: refuse, or mask.", rich_help_panel=DATA_PANEL),
]
