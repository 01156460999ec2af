"""seqae join: parts of a result put together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .files import check_table_target
from .screen import counted, say


def join(
    parts: Annotated[
        list[Path], typer.Argument(metavar="PART...", help="All .parquet files that --part wrote.", show_default=False)
    ],
    output: options.Output,
) -> None:
    """Put the parts of a result together, in the order of the data.

    That none is missing or there twice, and that all come from the same data, model and options, is checked.
    """
    check_table_target(output, *parts)
    from ..storage.parts import join_parts

    n_rows = join_parts(parts, output)
    say(f"{counted(n_rows, 'row')} of {counted(len(parts), 'part')}: {output}", beside=output)
