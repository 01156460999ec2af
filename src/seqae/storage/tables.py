"""Results as Parquet or CSV, by the extension; a file appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidParameter, InvalidSequence, UnreadableFile
from ..sequences.checks import to_numpy
from ..sequences.ragged import Ragged
from . import files
from .files import is_standard_output, refused, written_whole

if TYPE_CHECKING:
    import pyarrow as pa

    from ..reading import Source

Marks = dict[str, str]
SUFFIXES = (".parquet", ".csv")
"""The extensions of the files that can be written."""


def check_target(path: str | os.PathLike[str]) -> Path:
    """The path, if a result can be written there; called before the work.

    - and /dev/stdout are standard output, and take CSV.

    Raises InvalidParameter for an extension other than .parquet and .csv, or a path that cannot be written.
    """
    target = Path(path).expanduser()
    if not is_standard_output(path) and target.suffix.lower() not in SUFFIXES:
        raise InvalidParameter(f"cannot write {target}: its extension must be {' or '.join(SUFFIXES)}")
    return files.check_target(path)


def write_table(path: str | os.PathLike[str], columns: Mapping[str, Any], marks: Marks | None = None) -> None:
    """Write columns, each (n_rows,), in their order.

    The table is written under a temporary name in the same folder and renamed. marks: words that a .parquet file keeps
    beside them.

    Raises InvalidParameter if it cannot be written.
    """
    import pyarrow as pa

    check_target(path)
    table = pa.table({name: _as_arrow(column) for name, column in columns.items()})
    with _written(path) as file:
        _write(table.replace_schema_metadata(marks), file, os.path.splitext(path)[1].lower())


def marks_of(path: str | os.PathLike[str]) -> Marks:
    """The marks of a .parquet file that write_table() wrote. Raises UnreadableFile for a file that is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        kept = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFile(f"{os.fspath(path)} is no Parquet file: {' '.join(str(error).split())}") from error
    return {key.decode(): value.decode() for key, value in kept.items() if not key.startswith(b"ARROW")}


def copy_tables(paths: Sequence[Path], output: str | os.PathLike[str]) -> int:
    """Write the rows of .parquet files with the same columns, one after another, to a table. Returns their number.

    Some rows at a time, so that memory does not grow with them. Raises InvalidParameter if columns differ, or if it
    cannot be written; UnreadableFile for a damaged file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    schema = pq.read_schema(paths[0]).remove_metadata()
    is_csv = os.path.splitext(output)[1].lower() != ".parquet"
    n_rows = 0
    with _written(output) as file, (csv.CSVWriter if is_csv else pq.ParquetWriter)(file, schema) as writer:
        for path in paths:
            try:
                with pq.ParquetFile(path) as part:
                    if part.schema_arrow.remove_metadata() != schema:
                        raise InvalidParameter(f"{path} has other columns than {paths[0]}")
                    for batch in part.iter_batches():
                        writer.write_batch(batch)
                        n_rows += len(batch)
            except pa.ArrowException as error:
                raise UnreadableFile(f"{path} is damaged: {' '.join(str(error).split())}") from error
    return n_rows


@contextmanager
def _written(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """See written_whole(). Raises InvalidParameter for what goes wrong with writing."""
    import pyarrow as pa

    try:
        with refused(path), written_whole(path) as file:
            yield file
    except pa.ArrowException as error:
        raise InvalidParameter(f"cannot write {os.fspath(path)}: {' '.join(str(error).split())}") from error


def write_vectors(
    path: str | os.PathLike[str],
    ids: np.ndarray,
    id_name: str,
    vectors: np.ndarray,
    prefix: str = "z",
    places: Mapping[str, np.ndarray] | None = None,
    marks: Marks | None = None,
) -> None:
    """Write one row per sequence: its id, and its vector in columns prefix0, prefix1, ...

    ids: (n_sequences,); vectors: (n_sequences, size). places: further columns, (n_sequences,), after the ids.
    marks: see write_table().

    Raises InvalidParameter if it cannot be written.
    """
    components = {f"{prefix}{k}": column for k, column in enumerate(np.asarray(vectors).T)}
    further = dict(places or {})
    write_table(path, {_free(id_name, components | further): ids} | further | components, marks)


def ends(source: Source) -> dict[str, np.ndarray]:
    """The first and last step of each window of sequences: times or, without any, numbers of steps in the sequence.

    A window starts a new sequence where its id differs from the one before.
    """
    starts, lasts = source.ragged.starts, source.ragged.starts + source.ragged.lengths - 1
    if source.times is not None:
        return {"first_time": source.times[starts], "last_time": source.times[lasts]}
    is_new = np.append(True, source.ids[1:] != source.ids[:-1])
    origin = starts[np.maximum.accumulate(np.where(is_new, np.arange(len(starts)), 0))]
    return {"first_step": starts - origin, "last_step": lasts - origin}


def write_steps(
    path: str | os.PathLike[str],
    source: Source,
    ragged: Ragged,
    vocabulary: tuple[str, ...] | None = None,
    *,
    numbers_sequences: bool = False,
    marks: Marks | None = None,
) -> None:
    """Write a long table, one row per step: the id of its sequence, its time or number, and its channels.

    source: the data read. ragged: values for the same sequences, lengths and channels, such as the reconstruction.
        A value that is not observed is left empty.
    vocabulary: the text of each token, or None. numbers_sequences: whether a column "window" numbers them from 0.
    marks: see write_table().

    Raises InvalidSequence if the lengths or channels differ, InvalidParameter if it cannot be written.
    """
    _check_alike(source, ragged)
    names = source.channel_names
    time_name = _free(source.time_name or "step", names)
    columns = {_free(source.id_name, (*names, time_name)): np.repeat(source.ids, ragged.lengths)}
    if numbers_sequences:
        columns[_free("window", (*names, time_name, *columns))] = ragged.owners()
    columns[time_name] = _times(source, ragged)
    write_table(path, columns | dict(zip(names, columns_of(ragged, vocabulary), strict=True)), marks)


def _as_arrow(column: Any) -> pa.Array:
    """The column for Arrow; what a clock shows, which is timedelta64 in NumPy, as times of day."""
    import pyarrow as pa

    is_clock = isinstance(column, np.ndarray) and column.dtype.kind == "m" and len(column)
    if is_clock and column.min() >= np.timedelta64(0) and column.max() < np.timedelta64(1, "D"):
        return pa.array(column.astype("m8[us]").astype(np.int64)).cast(pa.time64("us"))
    return pa.array(column)


def _write(table: pa.Table, file: IO[bytes], suffix: str) -> None:
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, file)
    else:
        from pyarrow import csv

        csv.write_csv(table, file)


def _check_alike(source: Source, ragged: Ragged) -> None:
    if not np.array_equal(source.ragged.lengths, ragged.lengths):
        raise InvalidSequence(f"the sequences to write must be as long as those read, {source.ragged}, got {ragged}")
    if len(source.channel_names) != ragged.n_channels:
        raise InvalidSequence(
            f"the sequences to write must have {len(source.channel_names)} channels as those read, got {ragged}"
        )


def _times(source: Source, ragged: Ragged) -> np.ndarray:
    """(n_steps,) the time of each step, or its number within its sequence."""
    if source.times is not None:
        return source.times[source.ragged.step_indices()]
    return ragged.step_numbers()


def columns_of(ragged: Ragged, vocabulary: tuple[str, ...] | None = None) -> list[Any]:
    """Each channel, (n_steps,); tokens as their text."""
    import pyarrow as pa

    compact = ragged.compact()
    if vocabulary is not None:
        return [np.array(vocabulary, object)[to_numpy(compact.values)]]
    values = to_numpy(compact.values).reshape(ragged.n_steps, -1)
    if compact.observed is None:
        return list(values.T)
    is_missing = ~to_numpy(compact.observed).reshape(values.shape)
    return [pa.array(column, mask=mask) for column, mask in zip(values.T, is_missing.T, strict=True)]


def _free(name: str, taken: Any) -> str:
    """The name, with underscores added while a column has it already."""
    while name in taken:
        name += "_"
    return name
