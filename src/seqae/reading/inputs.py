"""The one way in: convert data to a Source, and compare it with the schema of fit()."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import replace
from typing import Literal, TypeGuard

import numpy as np

from ..errors import InvalidSequence
from ..sequences.checks import check_values, kept_dtype, to_numpy
from ..sequences.ragged import Ragged, as_ragged, owner_of
from ..sequences.scaling import Spread, at_needed_precision, in_float32, spread_of
from .containers import groups_of, is_open_file, steps_first, unwrapped
from .grouping import plain
from .schema import Schema, with_channels_of
from .source import MAX_BYTES, Layout, Source, Unknown, notice_arrays, source_of_arrays, warn
from .vocabulary import with_own_tokens, with_tokens_of, without_unknown

GROUP = "group"
"""The name of the ids of a grouped data frame."""
MANY_TOKENS, SPARSEST = 1 << 16, 64
"""Fewer tokens may have gaps; more must be at least one in so many of the numbers up to the largest."""


def read(
    X: object,
    *,
    id: object = None,
    time: object = None,
    channels: Iterable[object] | None = None,
    wide: bool = False,
    missing: Literal["mask", "error"] | None = None,
    symbols: Literal["auto", "words", "characters"] | None = None,
    time_format: str | None = None,
    header: bool = True,
    names: Iterable[object] | None = None,
    decimal: Literal[".", ","] | None = None,
    na: Iterable[object] = (),
    unknown: Unknown = "error",
    channels_first: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Source:
    """The sequences in X, with their ids, times and channel names.

    X: what Ragged.from_any takes, or any iterable of arrays; a data frame or series of pandas, polars, pyarrow or
        another library that narwhals knows, where a cell may hold a list with the steps of a sequence; a list of data
        frames, each one sequence, or a grouped one; an open file; or a Source, returned as it is. Else paths, one or a
        list: of files (CSV and other text tables, Parquet, Arrow, ORC, NPZ, NPY, JSON, JSON Lines, .ts, TSF, ARFF,
        Excel, HDF5, MATLAB; also as .gz, .bz2, .xz, .zst or .zip), of folders, patterns such as "runs/*.csv", addresses
        that fsspec knows, and "-" for standard input. Files without an id column are one sequence each, with the name
        of the file as its id.
    id: the column that identifies the sequence of a row in a long table. Rows of one id are joined in row order,
        adjacent or not; sequences are in the order in which their ids first appear. Without it, the table is one
        series. In an NPZ file, the array with the id of each sequence.
    time: the column that must strictly increase within each sequence. In an NPZ file, the array with a time per step.
    channels: the columns to read; None reads all others. For arrays, names of their channels.
    wide: the table (or 2-D array) has one row per sequence and one column per step of its only channel; missing
        values at the end of a row are not part of the sequence.
    missing: "mask" takes missing values as not observed, which losses and scores leave out; "error" refuses them;
        None is "mask", and a DataWarning says how many there are.
    symbols: None reads numbers. Else steps are symbols, text or whole numbers: a table has one column of them, a list
        texts, lists of symbols or vectors of whole numbers, a JSON line a text or list "values", a .txt file one
        sequence per line. A text is split into "words" or "characters"; "auto" means words if there is a space.
        The Source's vocabulary is the text of each token.
    unknown: what a fitted model does with steps whose symbol it never saw: "error" refuses them by name, "skip" leaves
        them out, with a DataWarning. "token", said for the data of fit(), gives the model a token for them, which it
        learns from symbols that occur once; it then takes unknown ones as it.
    time_format: how times are written, as for strptime ("%d.%m.%Y %H:%M"), or "s", "ms", "us", "ns" for numbers since
        1970. Without it, common forms of dates are known, months and quarters too; the month comes first in 1/2/2026
        unless the dates then cannot be, the day in 1.2.2026.
    header, names, decimal: of text tables. header=False: no line names the columns, which are then c0, c1, ... or
        `names`. decimal: the sign before fractions; None takes "," where it fits fields between semicolons.
    na: values that mark what is missing, such as -999; the usual ones, such as NA, ? and -, are known.
    max_bytes: what a compressed file may expand to, if that is more than 50 times its size.

    channels_first: whether arrays are (n_channels, n_steps) each, and to be transposed.
    id and time may be several columns, such as ("Date", "Time") or "Date,Time".

    Rows are counted from 0, without the header. Warns (DataWarning) of what looks as if it was meant otherwise: ids and
    times among the channels, markers of missing values, channels before steps.

    Raises InvalidSequence for data that cannot be used, InvalidParameter for a column that does not exist,
    UnreadableFile for a file that is absent, damaged, empty or of an unknown kind.

    >>> import pyarrow as pa
    >>> table = pa.table({"who": ["a", "a", "b"], "second": [0, 1, 0], "x": [0.5, 1.5, 2.5]})
    >>> source = read(table, id="who", time="second")
    >>> source.ids.tolist(), source.ragged.lengths.tolist(), source.channel_names
    (['a', 'b'], [2, 1], ('x',))
    """
    layout = Layout(
        _name(id),
        _name(time),
        _names(channels),
        wide,
        missing,
        symbols,
        time_format=time_format,
        max_bytes=max_bytes,
        header=header,
        names=_names(names),
        decimal=decimal,
        na=_names(na) or (),
        unknown=unknown,
    )
    if channels_first:
        X = steps_first(X)
    return _noticed(read_laid_out(X, layout), X)


def read_noticed(X: object, layout: Layout) -> Source:
    """As read(), warnings included, with its column arguments in one value."""
    return _noticed(read_laid_out(X, layout), X)


def read_laid_out(X: object, layout: Layout) -> Source:
    """As read(), with its column arguments in one value; of warnings, only that of missing values."""
    if isinstance(X, Source):  # whatever a user passes: only its type tells that it was read before
        return X
    source = _converted(X, layout)
    if layout.unknown != source.unknown:
        source = replace(source, unknown=layout.unknown)
    if layout.missing is None and source.ragged.observed is not None and source.ragged is not as_ragged(X):
        notice_missing(source)
    return source


def _converted(X: object, layout: Layout) -> Source:
    if isinstance(X, str | os.PathLike) or _are_paths(X):
        from .files import source_of_paths

        return source_of_paths([X] if isinstance(X, str | os.PathLike) else X, layout)
    if not isinstance(X, list | np.ndarray):
        if is_open_file(X):
            from .files import source_of_open_file

            return source_of_open_file(X, layout)
        if (groups := groups_of(X)) is not None:
            return _of_groups(*groups, layout)
        X = unwrapped(X)
    if layout.symbols is not None and _is_list_of_symbols(X):
        from .symbols import source_of_lists

        return source_of_lists(X.tolist() if isinstance(X, np.ndarray) and X.ndim == 1 else list(X), layout)
    source = _source_of_table(X, layout)
    return source_of_arrays(X, layout) if source is None else source


def take(
    X: object, schema: Schema | None = None, *, takes_symbols: bool = False, layout: Layout | None = None
) -> Source:
    """X as sequences of at least one step, of finite float32 values or tokens, with the channels that fit() saw.

    schema: None in fit(); takes_symbols is then whether to read symbols. Channels are matched by name if X has names,
        as data frames, files and their Source have; else by position.
    layout: of X, as for read(); the schema completes it.
    Raises InvalidSequence naming sequence, step and channel.
    """
    symbols = schema.symbols if schema is not None else "auto" if takes_symbols else None
    columns = None if schema is None else schema.columns
    source = read_laid_out(X, replace(layout or Layout(), symbols=symbols, columns=columns))
    _check_lengths(source.ragged)
    if schema is None:
        source = _noticed(source, X)
        if source.vocabulary is not None or source.unknown == "token":
            source = with_own_tokens(source)
    else:
        source = with_tokens_of(source, schema.vocabulary, takes_unknown=schema.takes_unknown)
        source = without_unknown(source, schema.n_symbols)
        _check_kind(source.ragged, schema.n_symbols)
        source = with_channels_of(source, schema)
    sequences = source.ragged
    if sequences.is_tokens:
        tokens = _as_int32(sequences)
        if schema is None:
            _check_dense(tokens)
        return replace(source, ragged=tokens)
    if sequences is X:
        check_values(sequences.values, sequences.starts, sequences.lengths, observed=sequences.observed)
    usable = _rounded(sequences, schema)
    return source if usable is sequences else replace(source, ragged=usable)


def drop_empty(X: Sequence[Sized]) -> list[Sized]:
    """The sequences that have steps, for fit() and transform(), which refuse empty ones; a warning names those dropped.

    X: a list of arrays whose first axis is steps.
    """
    empty = [i for i, sequence in enumerate(X) if len(sequence) == 0]
    if empty:
        shown = ", ".join(map(str, empty[:20])) + (", ..." if len(empty) > 20 else "")
        warnings.warn(f"dropped {len(empty)} sequences without steps: {shown}", UserWarning, stacklevel=2)
    return [sequence for sequence in X if len(sequence)]


# -- which reader ----------------------------------------------------------------------------------------------------


def _are_paths(X: object) -> TypeGuard[Sequence[str | os.PathLike[str]]]:
    """Whether X is a list of paths: of Path objects, or of texts that all end as names of data files do."""
    if not isinstance(X, list | tuple) or not X or not isinstance(X[0], str | os.PathLike):
        return False
    if all(isinstance(path, os.PathLike) for path in X):
        return True
    from .files import is_name_of_file

    return all(isinstance(path, str | os.PathLike) and is_name_of_file(path) for path in X)


def _of_groups(keys: list[object], frames: list[object], layout: Layout) -> Source:
    """The source of frames that were grouped by their ids."""
    source = _converted(frames, layout)
    ids = np.empty(len(keys), object)
    ids[:] = keys
    return replace(source, ids=np.array(keys) if len({type(key) for key in keys}) == 1 else ids, id_name=GROUP)


def _source_of_table(X: object, layout: Layout) -> Source | None:
    """The Source of a data frame or of a list of them; None if X is neither."""
    is_list = isinstance(X, list | tuple)
    if isinstance(X, np.ndarray) or (is_list and (not X or isinstance(X[0], np.ndarray | list | tuple))):
        return None
    from .frames import source_of_frames, to_table
    from .table import source_of_table

    if is_list:
        return source_of_frames(X, layout)
    table = to_table(X)
    return None if table is None else source_of_table(table, layout)


def _is_list_of_symbols(X: object) -> TypeGuard[np.ndarray | Sequence[object]]:
    """Whether it holds sequences of symbols, one by one, rather than columns: texts, lists, rows or vectors."""
    if isinstance(X, np.ndarray):
        return X.ndim == 2 or (X.ndim == 1 and X.dtype.kind in "UO")
    if not isinstance(X, list | tuple) or not X:
        return False
    return isinstance(X[0], str | list | tuple | np.ndarray) or hasattr(X[0], "detach")


def _name(column: object) -> str | None:
    if isinstance(column, list | tuple):
        return ",".join(map(str, column))
    return None if column is None else str(column)


def _names(columns: Iterable[object] | None) -> tuple[str, ...] | None:
    if columns is None or isinstance(columns, str):
        return None if columns is None else (columns,)
    return tuple(str(column) for column in columns)


def _noticed(source: Source, X: object) -> Source:
    """The source; warns of suspicious values, where X was read only now."""
    sequences = source.ragged
    if not (X is source or X is sequences or sequences.is_tokens) and len(sequences):
        if not source.is_named:
            notice_arrays(sequences)
        notice_values(source, spread_of(sequences))
    return source


# -- what every model needs ------------------------------------------------------------------------------------------


def _check_lengths(sequences: Ragged) -> None:
    if len(sequences) == 0:
        raise InvalidSequence("X holds no sequences; pass at least one")
    if not sequences.lengths.all():
        i = int(np.argmin(sequences.lengths))
        raise InvalidSequence(f"sequence {i} has no steps; drop it, or give it at least one step")


def _check_kind(sequences: Ragged, n_symbols: int | None) -> None:
    """Tokens that fit() saw, or vectors."""
    if sequences.is_tokens and n_symbols is None:
        raise InvalidSequence("X holds tokens; this architecture takes vectors of (n_steps, n_channels)")
    if not sequences.is_tokens and n_symbols is not None:
        raise InvalidSequence("X holds vectors; this architecture takes tokens (see Ragged.from_tokens)")
    if n_symbols is None:
        return
    for i, sequence in enumerate(sequences):
        if int(sequence.max()) >= n_symbols:
            raise InvalidSequence(
                f"sequence {i} holds token {int(sequence.max())}, but fit() saw only tokens below {n_symbols}; "
                "map unknown tokens to a known one"
            )


def _as_int32(sequences: Ragged) -> Ragged:
    values = to_numpy(sequences.values)
    for i, sequence in enumerate(sequences):
        if int(sequence.min()) < 0:
            raise InvalidSequence(f"sequence {i} holds token {int(sequence.min())}; tokens are numbers from 0")
    return Ragged.view(values.astype(np.int32, copy=False), sequences.starts, sequences.lengths)


def _check_dense(sequences: Ragged) -> None:
    """Every token up to the largest gets weights of its own, so that a large one among few would need all memory."""
    values = sequences.values[sequences.step_indices()]
    highest = int(values.max())
    if highest < MANY_TOKENS:
        return
    n_different = len(np.unique(values))
    if highest >= SPARSEST * n_different:
        i, _ = owner_of(int(np.argmax(values)), sequences.lengths)
        raise InvalidSequence(
            f"sequence {i} holds token {highest}, but there are only {n_different} different tokens; renumber them "
            "from 0, or pass them as text, which is numbered by itself"
        )


def _rounded(sequences: Ragged, schema: Schema | None) -> Ragged:
    """In float32, unless a channel is to be centred first: what fit() decided, or decides now."""
    values = to_numpy(sequences.values)
    if values.dtype == np.float32:
        return sequences
    kept = Ragged.view(
        values.astype(kept_dtype(values.dtype), copy=False), sequences.starts, sequences.lengths, sequences.observed
    )
    if schema is None:
        return at_needed_precision(kept, spread_of(kept))
    return kept if schema.keeps_float64 else in_float32(kept)


def notice_missing(source: Source) -> None:
    """Warn of missing values: how many there are, and where the first is."""
    ragged = source.ragged
    observed = to_numpy(ragged.observed)[ragged.step_indices()]
    if observed.all():
        return
    row, channel = divmod(int(np.argmin(observed)), observed.shape[1])
    i, step = owner_of(row, ragged.lengths)
    n_missing, where = int((~observed).sum()), f"{source.id_name} {plain(source.ids[i])!r}, step {step}"
    last = np.cumsum(ragged.lengths) - 1
    padded = "" if observed[last].any(axis=1).all() else "; if the last steps are padding, use Ragged.from_padded"
    warn(
        f"{n_missing:,} of {observed.size:,} values {'is' if n_missing == 1 else 'are'} missing, the first at {where}, "
        f"channel {source.channel_names[channel]!r}: what is missing has no part in losses and scores; "
        f"missing='error' (--missing error) refuses it{padded}"
    )


def notice_values(source: Source, spread: Spread) -> None:
    """Warn of values that look like markers of what is missing, and of channels that were given too few digits.

    spread: of the source's sequences.
    """
    for name, value, count in _markers(source, spread):
        warn(
            f"channel {name!r} holds {value:g} {count} times, far from its other values; if it marks what is missing, "
            f"read the data with na=[{value:g}] (--na {value:g})"
        )
    step = np.abs(spread.mean) * spread.epsilon
    is_coarse = (spread.high > spread.low) & (spread.deviation < 8 * step)
    precise = "float64" if spread.epsilon > np.finfo(np.float64).eps else "numbers from which an offset was subtracted"
    for k in np.flatnonzero(is_coarse):
        warn(
            f"channel {source.channel_names[k]!r} varies by {spread.deviation[k]:.3g} around {spread.mean[k]:.6g}, "
            f"where its type holds only steps of {step[k]:.3g}; pass it as {precise}"
        )


_MARKERS = (-99.0, -200.0, -999.0, -9999.0, -99999.0, -32768.0, 999.0, 9999.0, 99999.0, 32767.0, 1e20)


def _markers(source: Source, spread: Spread) -> Iterator[tuple[str, float, int]]:
    """Channels whose least or greatest value is one that often stands for what is missing, and lies apart."""
    for extreme in (spread.low, spread.high):
        for k in np.flatnonzero(np.isin(extreme, np.asarray(_MARKERS, extreme.dtype))):
            marker = float(extreme[k])
            values = np.asarray(source.ragged.values[:, k])[source.ragged.step_indices()]
            is_marker = values == marker
            others = values[~is_marker]
            if not len(others):
                continue
            gap = float(np.abs(others - marker).min())
            is_apart = gap >= others.max() - others.min() and gap >= 10
            is_alone_below = marker < 0 <= others.min() and is_marker.sum() > 1
            if is_apart or is_alone_below:
                yield source.channel_names[k], marker, int(is_marker.sum())
