"""seqae look: what is understood of data, before anything is trained."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .files import DataFile
from .screen import console, counted, facts, listed, printable

if TYPE_CHECKING:
    from ..reading.look import Channel, Look

MOST_CHANNELS = 40
WIDE = 64
"""A terminal of fewer characters has no room for the median."""


def look(
    data: DataFile,
    *,
    symbols: Annotated[
        bool,
        typer.Option(
            "--symbols",
            help="The steps are symbols, text or whole numbers, as those of a .txt file are.",
            rich_help_panel=options.DATA_PANEL,
        ),
    ] = False,
    split: options.SplitText = options.Split.auto,
) -> None:
    """Tell what is understood of data, and which options would change it; nothing is trained or written.

    Files may be CSV or other text tables (.csv, .tsv, .dat, .txt), Parquet, Arrow, Feather, ORC, JSON, JSON Lines, NPZ,
    NPY, .ts, TSF, ARFF, Excel, HDF5 or MATLAB, also as .gz, .bz2, .xz, .zst or .zip. Folders, patterns in quotes,
    addresses, several files and - for standard input are taken by every command. Missing values are counted.
    """
    from ..reading.inputs import read_noticed
    from ..reading.look import look_at

    takes_symbols = symbols or (all(not _is_stream(path) for path in data.paths) and data.is_text)
    given = replace(data, missing=options.Missing.mask, symbols=split.value if takes_symbols else None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        source = read_noticed(given.given, replace(given.layout, skips_others=not takes_symbols))
    seen = look_at(source)
    facts(_facts(seen))
    if seen.channels:
        _show(seen)
    for warning in caught:
        _say_below("note", " ".join(str(warning.message).split()))
    for option, why in seen.options:
        _say_below(option, why)


def _is_stream(path: str) -> bool:
    from ..reading.paths import is_address, is_standard_input

    return is_standard_input(path) or is_address(path)


def _facts(seen: Look) -> dict[str, str]:
    lengths = counted(seen.longest, "step")
    if seen.shortest != seen.longest:
        lengths = f"{seen.shortest:,} to {lengths}, half of them at most {seen.median:,.0f}"
    more = ", ..." if seen.n_sequences > len(seen.ids) else ""
    rows = {
        "sequences": f"{seen.n_sequences:,}, told apart by {seen.id_name}: {', '.join(seen.ids)}{more}",
        "lengths": f"{lengths}; {counted(seen.n_steps, 'step')} in all",
    }
    if seen.times is not None:
        longer = f", {seen.times.n_longer:,} of them longer" if seen.times.n_longer else ""
        usual = f", usually {seen.times.usual} apart{longer}" if seen.times.usual else ""
        rows["times"] = f"{seen.times.first} to {seen.times.last}{usual}"
    else:
        rows["times"] = "none; steps are taken as evenly spaced"
    if seen.symbols is not None:
        rows["symbols"] = f"{len(seen.symbols):,} ({listed(seen.symbols)})"
    else:
        rows["channels"] = f"{len(seen.channels):,}"
    return rows


def _show(seen: Look) -> None:
    from rich.table import Table

    rows = [_cells(channel, seen.n_steps) for channel in seen.channels[:MOST_CHANNELS]]
    screen = console()
    is_narrow = screen.width < WIDE
    table = Table(box=None, pad_edge=False, collapse_padding=is_narrow, header_style="cyan")
    table.add_column("channel", overflow="fold", min_width=7)
    hidden = ("median",) if is_narrow else ()
    shown = [name for name in rows[0] if name not in hidden and any(row[name] for row in rows)]
    for name in shown:
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for channel, row in zip(seen.channels, rows, strict=False):
        table.add_row(printable(channel.name), *(row[name] for name in shown))
    screen.print(table)
    if len(seen.channels) > MOST_CHANNELS:
        console().print(f"... and {len(seen.channels) - MOST_CHANNELS:,} more channels")


def _cells(channel: Channel, n_steps: int) -> dict[str, str]:
    """By heading; the note has none."""
    return {
        **{name: "" if value != value else f"{value:.4g}" for name, value in channel.statistics.items()},
        "missing": f"{100 * channel.n_missing / n_steps:.3g} %" if channel.n_missing else "",
        "far": f"{channel.n_outliers:,}" if channel.n_outliers else "",
        "": channel.note,
    }


def _say_below(name: str, text: str) -> None:
    from rich.text import Text

    console().print(Text.assemble((f"{name}  ", "yellow"), printable(text)))
