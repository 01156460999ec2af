"""seqae index: keep vectors so that they are searched from the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InvalidParameter
from .files import check_differs
from .screen import counted, say


def index(
    vectors: Annotated[
        Path, typer.Argument(metavar="VECTORS", help="A .csv or .parquet file that embed wrote.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="An .arrow file to write.", show_default=False)
    ],
) -> None:
    """Write vectors to an Arrow file that nearest searches without reading it into memory.

    Further columns, such as a label or a length that you added, are kept: nearest chooses by them.
    """
    from ..search import VectorIndex
    from ..storage.files import check_target

    if output.suffix.lower() != ".arrow":
        raise InvalidParameter(f"cannot write {output}: its extension must be .arrow")
    check_target(output)
    check_differs(output, vectors)
    stored = VectorIndex.open(vectors)
    stored.save(output)
    say(f"{counted(len(stored), 'vector')} of {counted(stored.vectors.shape[1], 'value')}: {output}", beside=output)
