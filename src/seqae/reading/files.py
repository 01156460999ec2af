"""Read files by their extensions, wherever they are; every message names the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..errors import InvalidParameter, InvalidSequence, SeqaeError, UnreadableFile
from .archives import read_npy, read_npz
from .arff import read_arff
from .expanding import check_arrow, check_parquet, most_bytes
from .foreign import read_excel, read_hdf5, read_mat, read_orc
from .joining import joined
from .jsonl import read_json, read_jsonl
from .opening import name_of, opened, written
from .paths import COMPRESSED, Origin, expanded, kind_of
from .separated import read_csv
from .source import Layout, Source
from .symbols import read_txt
from .table import source_of_table
from .ts import read_ts
from .tsf import read_tsf

if TYPE_CHECKING:
    import pyarrow as pa

_ZIP, _PARQUET, _ARROW, _NPY, _HDF5 = b"PK\x03\x04", b"PAR1", b"ARROW1", b"\x93NUMPY", b"\x89HDF"
_SIGNATURES = {
    _ZIP: "a zip archive (NPZ and Excel files are)",
    _PARQUET: "a Parquet file",
    _ARROW: "an Arrow file",
    _NPY: "an NPY file",
    b"\x1f\x8b": "gzip-compressed",
    _HDF5: "an HDF5 file",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"<?xml": "an XML document",
}
_STREAM = b""  # an Arrow stream and plain text start with no signature of their own
_OWN = {
    "npz": (_ZIP,),
    "xlsx": (_ZIP,),
    "xlsm": (_ZIP,),
    "npy": (_NPY,),
    "parquet": (_PARQUET,),
    "pq": (_PARQUET,),
    "arrow": (_ARROW, _STREAM),
    "feather": (_ARROW, _STREAM),
    "ipc": (_ARROW, _STREAM),
    "h5": (_HDF5,),
    "hdf5": (_HDF5,),
    "mat": (_HDF5, _STREAM),
}
_TEXT_ONLY = {"header": "header=False", "names": "names=", "decimal": "decimal="}


_NO_THREAD = "launch worker thread"
"""What Arrow says where the system refuses it a thread."""


def source_of_file(origin: Origin, layout: Layout) -> Source:
    """The sequences of a file, of standard input ("-"), of an address, or of what is compressed in them.

    Raises UnreadableFile for a file that is absent, damaged, empty or of an unknown kind; InvalidSequence and
    InvalidParameter as for a table in memory. Every message starts with the file's name.
    """
    with _translated(name_of(origin)), opened(origin, layout) as paths:
        return _source_of_opened(paths, layout)


def source_of_files(origins: Sequence[Origin], layout: Layout) -> Source:
    """The sequences of several files, one after the other. Raises as source_of_file does."""
    return joined([source_of_file(origin, layout) for origin in origins], origins)


def source_of_paths(origins: Sequence[Origin], layout: Layout) -> Source:
    """The sequences of files, of all files in folders, and of those that patterns name."""
    found = files_of(origins)
    return source_of_file(found[0], layout) if len(found) == 1 else source_of_files(found, layout)


def source_of_open_file(file: IO[bytes] | IO[str], layout: Layout) -> Source:
    """The sequences of an open file, from its position on."""
    name = getattr(file, "name", None)
    told = name if isinstance(name, str) else type(file).__name__
    with _translated(told), written(file, layout) as path, opened(path, layout) as paths:
        return _source_of_opened(paths, layout)


def files_of(origins: Sequence[Origin]) -> list[Origin]:
    """The files that paths mean: themselves, those in folders, and those that patterns name."""
    return expanded(origins, is_name_of_file)


def is_name_of_file(name: str | os.PathLike[str]) -> bool:
    """Whether a name ends as that of a data file does."""
    return kind_of(os.fspath(name)) in _READERS


def _source_of_opened(paths: Sequence[Path], layout: Layout) -> Source:
    sources = [_source_of_plain(path, layout) for path in paths]
    return sources[0] if len(sources) == 1 else joined(sources, [path.name for path in paths])


def _source_of_plain(path: Path, layout: Layout) -> Source:
    kind = kind_of(path.name)
    if kind not in _READERS:
        known = ", ".join(f".{name}" for name in sorted(_READERS))
        raise UnreadableFile(f"has no known extension; known are {known}, and {', '.join(COMPRESSED)} after those")
    _check_signature(path, kind)
    if kind not in _TEXT_TABLES and (given := [name for name in _TEXT_ONLY if _is_given(layout, name)]):
        what = _TEXT_ONLY[given[0]]
        raise InvalidParameter(f"{what} is of text tables such as CSV; leave it out", parameter=given[0])
    return _READERS[kind](path, layout)


def _is_given(layout: Layout, name: str) -> bool:
    return getattr(layout, name) != getattr(Layout(), name)


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Add the file to our own errors, and translate errors of other libraries to ours."""
    try:
        yield
    except (InvalidSequence, InvalidParameter, UnreadableFile) as error:
        message = " ".join(str(error).split())  # names in a damaged file may hold anything
        raise type(error)(f"{name}: {message}", parameter=error.parameter) from error
    except (SeqaeError, Warning):
        raise
    except Exception as error:  # a damaged file makes the parsers of other libraries raise whatever they like
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        reason = " ".join(reason.split())[:200] or type(error).__name__
        remedy = "it may be damaged or cut short; copy or export it again"
        if _NO_THREAD in reason:
            remedy = "the system starts no more threads; raise its limit (ulimit -u), or end other programs"
        raise UnreadableFile(f"{name}: cannot be read, {remedy} ({reason})") from error


def _check_signature(path: Path, kind: str) -> None:
    """Refuse a file that begins with the signature of another kind, whatever its extension."""
    with path.open("rb") as file:
        head = file.read(64)
    plain = head.lstrip().lower()
    found = next((start for start in _SIGNATURES if head.startswith(start) or plain.startswith(start)), _STREAM)
    if found not in _OWN.get(kind, (_STREAM,)):
        raise UnreadableFile(
            f"is {_SIGNATURES.get(found, 'something else')} and no {path.suffix} file; "
            "give it the extension it should have, or export it again"
        )


def _read_parquet(path: Path, layout: Layout) -> Source:
    import pyarrow.parquet as pq

    check_parquet(path, most_bytes(path, layout))
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return source_of_table(file.read(), layout)


def _read_arrow(path: Path, layout: Layout) -> Source:
    table = _arrow_table(path, most_bytes(path, layout))
    table.validate(full=True)  # offsets in a damaged file could point outside it
    return source_of_table(table, layout)


def _arrow_table(path: Path, most: int) -> pa.Table:
    import pyarrow as pa

    mapped = pa.memory_map(str(path))
    is_file = mapped.read(8)[:6] == b"ARROW1"
    if not is_file:
        mapped.seek(0)
    check_arrow(pa.ipc.MessageReader.open_stream(mapped), most)
    mapped.seek(0)
    if is_file:
        return pa.ipc.open_file(mapped).read_all()
    return pa.ipc.open_stream(mapped).read_all()


def _read_text(path: Path, layout: Layout) -> Source:
    """Lines of symbols or, if numbers are wanted, a text table."""
    return read_txt(path, layout) if layout.symbols is not None else read_csv(path, layout)


_TEXT_TABLES: dict[str, Callable[[Path, Layout], Source]] = {
    "csv": read_csv,
    "tsv": read_csv,
    "tab": read_csv,
    "psv": read_csv,
    "dat": read_csv,
    "data": read_csv,
    "asc": read_csv,
    "txt": _read_text,
}
_READERS: dict[str, Callable[[Path, Layout], Source]] = _TEXT_TABLES | {
    "json": read_json,
    "jsonl": read_jsonl,
    "ndjson": read_jsonl,
    "ts": read_ts,
    "tsf": read_tsf,
    "arff": read_arff,
    "parquet": _read_parquet,
    "pq": _read_parquet,
    "arrow": _read_arrow,
    "feather": _read_arrow,
    "ipc": _read_arrow,
    "orc": read_orc,
    "npz": read_npz,
    "npy": read_npy,
    "xlsx": read_excel,
    "xlsm": read_excel,
    "h5": read_hdf5,
    "hdf5": read_hdf5,
    "mat": read_mat,
}
