"""seqae nearest: the stored vectors that are nearest to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InvalidParameter
from . import options
from .files import check_table_target
from .screen import counted, say


def nearest(
    vectors: Annotated[
        Path,
        typer.Argument(metavar="VECTORS", help="What is searched: a file from index or embed.", show_default=False),
    ],
    output: options.Output,
    queries: Annotated[
        Path | None,
        typer.Argument(metavar="[QUERIES]", help="Others of the same model; else VECTORS' own.", show_default=False),
    ] = None,
    of: Annotated[
        list[str] | None, typer.Option("--of", metavar="ID", help="Of this stored vector; may be repeated.")
    ] = None,
    k: Annotated[int, typer.Option("-k", metavar="N", help="Neighbours of each query.")] = 5,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="A=B", help="Only among vectors with label=walk, length>=50 ...; may be repeated."),
    ] = None,
) -> None:
    """Write the nearest stored vectors of each query: its id, the rank, the neighbour and the distance.

    Without QUERIES, the neighbours of stored vectors, without themselves. The search is exact.
    """
    if queries is not None and of:
        raise InvalidParameter("--of names stored vectors, and QUERIES holds others; leave one of them out")
    check_table_target(output, vectors, *([] if queries is None else [queries]))
    from ..search import VectorIndex
    from ..storage.tables import write_table

    stored = VectorIndex.open(vectors)
    if queries is None:
        found = stored.nearest_of(of or None, k, where=where or ())
    else:
        others = VectorIndex.open(queries)
        found = stored.nearest(others.vectors, k, where=where or (), names=others.ids)
    write_table(output, found.to_columns())
    n, n_found = found.indices.shape
    say(f"{counted(n_found, 'neighbour')} of each of {counted(n, 'vector')}: {output}", beside=output)
