"""Arguments and options that several commands take, each declared once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import typer

DATA_PANEL = "How the data is laid out"


class Missing(StrEnum):
    """How missing values are treated."""

    mask = "mask"
    error = "error"


class Unknown(StrEnum):
    """What is done about steps whose symbol a model never saw."""

    error = "error"
    skip = "skip"
    token = "token"


class Split(StrEnum):
    """The symbols of a text; auto means words if the text has a space."""

    auto = "auto"
    words = "words"
    characters = "characters"


Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        help="Files, folders, patterns, addresses, or - for standard input; see seqae look --help for the kinds.",
        show_default=False,
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A model that fit saved.", show_default=False)]
Detector = Annotated[
    Path, typer.Argument(metavar="DETECTOR", help="A detector that detect --save wrote.", show_default=False)
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="A .parquet or .csv file to write.", show_default=False)
]
Id = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="COLUMN",
        help="The sequence of each row, may be A,B; else the one that the model was fitted with ('': none).",
        rich_help_panel=DATA_PANEL,
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        "--time",
        metavar="COLUMN",
        help="Must increase within each sequence; may be Date,Time; else the one of the model ('': none).",
        rich_help_panel=DATA_PANEL,
    ),
]
TimeFormat = Annotated[
    str | None,
    typer.Option(
        "--time-format",
        metavar="FORMAT",
        help="How times are written: '%d.%m.%Y %H:%M', or s, ms, us, ns since 1970.",
        rich_help_panel=DATA_PANEL,
    ),
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
    Missing | None,
    typer.Option(
        "--missing",
        help="Missing values: mask leaves them out of losses, error refuses them; mask, with a warning, if not said.",
        rich_help_panel=DATA_PANEL,
    ),
]
Header = Annotated[
    bool,
    typer.Option(
        "--header/--no-header",
        help="Whether line 1 of a text table names the columns; else they are c0, c1, ...",
        rich_help_panel=DATA_PANEL,
    ),
]
Names = Annotated[
    str | None,
    typer.Option(
        "--names",
        metavar="A,B,...",
        help="Names for the columns of a file without a header.",
        rich_help_panel=DATA_PANEL,
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        "--decimal",
        metavar="SIGN",
        help="The sign before fractions; a comma is found where fields stand between semicolons.",
        rich_help_panel=DATA_PANEL,
    ),
]
Na = Annotated[
    str | None,
    typer.Option(
        "--na", metavar="A,B,...", help="Values that mark what is missing, such as -999.", rich_help_panel=DATA_PANEL
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        "--window",
        metavar="N",
        min=1,
        help="Take windows of N steps for sequences; fit holds the last ones of each sequence out.",
        rich_help_panel=DATA_PANEL,
    ),
]
Stride = Annotated[
    int,
    typer.Option("--stride", metavar="N", min=1, help="Steps from one window to the next.", rich_help_panel=DATA_PANEL),
]
MaxBytes = Annotated[
    int | None,
    typer.Option(
        "--max-bytes",
        metavar="N",
        help="What a compressed file may expand to, if more than 50 times its size: 2 GiB.",
        rich_help_panel=DATA_PANEL,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Also draw it: a .png, .svg or .pdf (needs the extra plots)."),
]
UnknownSymbols = Annotated[
    Unknown,
    typer.Option(
        "--unknown",
        help="Steps whose symbol the model never saw: refuse or skip them, or take them as one token.",
        rich_help_panel=DATA_PANEL,
    ),
]
Part = Annotated[
    str | None,
    typer.Option(
        "--part", metavar="I/N", help="Only the I-th of N parts, into a file of its own; seqae join puts them together."
    ),
]
SplitText = Annotated[
    Split, typer.Option("--split", help="A text of symbols: into words or characters.", rich_help_panel=DATA_PANEL)
]


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command with each dataclass parameter replaced by the options that its fields declare.

    Typer reads a function's signature and has no groups of options. Fields that are not Annotated are not options.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: of.annotation for name, of in signature.parameters.items() if is_dataclass(of.annotation)
    }

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{key: given.pop(key) for key in _declared(group)})
        command(**given)

    parameters = [
        parameter
        for name, own in signature.parameters.items()
        for parameter in (_declared(groups[name]).values() if name in groups else [own])
    ]
    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__signature__ = signature.replace(parameters=keyword_only)  # pyright: ignore[reportAttributeAccessIssue]
    return run


def _declared(group: Any) -> dict[str, inspect.Parameter]:
    """The arguments and options among the fields of a dataclass, in order."""
    hints = get_type_hints(group, include_extras=True)
    made_of = inspect.signature(group).parameters.items()
    return {name: of.replace(annotation=hints[name]) for name, of in made_of if get_origin(hints[name]) is Annotated}
