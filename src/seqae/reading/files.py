"""Read a file by its extension; every message names the file."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidParameter, InvalidSequence, SeqaeError, UnreadableFile
from .archives import read_npy, read_npz
from .expanding import check_arrow, check_parquet, most_bytes
from .joining import joined
from .jsonl import read_jsonl
from .separated import read_csv
from .source import Layout, Source
from .symbols import read_txt
from .table import source_of_table
from .ts import read_ts

if TYPE_CHECKING:
    import pyarrow as pa

_ZIP, _PARQUET, _ARROW, _NPY, _GZIP = b"PK\x03\x04", b"PAR1", b"ARROW1", b"\x93NUMPY", b"\x1f\x8b"
_SIGNATURES = {
    _ZIP: "a zip archive (NPZ and Excel files are)",
    _PARQUET: "a Parquet file",
    _ARROW: "an Arrow file",
    _NPY: "an NPY file",
    _GZIP: "gzip-compressed",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"<?xml": "an XML document",
}
_STREAM = b""  # an Arrow stream and plain text start with no signature of their own


def source_of_file(path: str | os.PathLike[str], layout: Layout) -> Source:
    """The sequences of a file.

    Raises UnreadableFile for a file that is absent, damaged, empty or of an unknown kind; InvalidSequence and
    InvalidParameter as for a table in memory. Every message starts with the file's name.
    """
    path = Path(path).expanduser()
    with _translated(path):
        _check_exists(path)
        kind, reader = _reader(path)
        _check_signature(path, kind)
        return reader(path, layout)


def source_of_files(paths: Sequence[str | os.PathLike[str]], layout: Layout) -> Source:
    """The sequences of several files, one after the other. Raises as source_of_file does."""
    return joined([source_of_file(path, layout) for path in paths], paths)


def is_name_of_file(name: str | os.PathLike[str]) -> bool:
    """Whether a name ends as that of a data file does."""
    kind = os.fspath(name).lower().removesuffix(".gz").rpartition(".")
    return bool(kind[0]) and kind[2] in _TEXT_READERS | _BINARY_READERS


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Add the file to our own errors, and translate errors of other libraries to ours."""
    try:
        yield
    except (InvalidSequence, InvalidParameter, UnreadableFile) as error:
        message = " ".join(str(error).split())  # names in a damaged file may hold anything
        raise type(error)(f"{path}: {message}", parameter=error.parameter) from error
    except (SeqaeError, Warning):
        raise
    except Exception as error:  # a damaged file makes the parsers of other libraries raise whatever they like
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        reason = " ".join(reason.split())[:200] or type(error).__name__
        raise UnreadableFile(
            f"{path}: cannot be read, it may be damaged or cut short; copy or export it again ({reason})"
        ) from error


def _check_exists(path: Path) -> None:
    if path.is_dir():
        raise UnreadableFile("is a folder; pass one of the files in it")
    if not path.exists():
        if re.match(r"[a-z][a-z0-9+]*:/", str(path), re.IGNORECASE):
            raise UnreadableFile("is an address, not a file; download it first")
        if any(sign in path.name for sign in "*?["):
            raise UnreadableFile("there is no such file, and patterns are not expanded; pass a list of the files")
        if not path.parent.is_dir():
            raise UnreadableFile(f"there is no such file, nor a folder {path.parent}; check the path")
        near = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
        raise UnreadableFile(
            f"there is no such file; did you mean {near[0]}?" if near else "there is no such file; check the path"
        )
    if not path.is_file():
        raise UnreadableFile("is a pipe or a device; save the data to a file first, with the extension of its kind")
    if path.stat().st_size == 0:
        raise UnreadableFile("is empty; write it again")


def _reader(path: Path) -> tuple[str, Callable[[Path, Layout], Source]]:
    """The kind of a file and its reader; CSV, TSV, JSON Lines and .ts may be compressed."""
    name = path.name.lower()
    compressed = name.endswith(".gz")
    kind = name.removesuffix(".gz").rpartition(".")[2]
    readers = _TEXT_READERS if compressed else _TEXT_READERS | _BINARY_READERS
    if kind not in readers:
        known = ", ".join(f".{name}" for name in sorted(_TEXT_READERS | _BINARY_READERS))
        raise UnreadableFile(f"has no known extension; known are {known}, and .gz after those of text")
    return kind, readers[kind]


def _check_signature(path: Path, kind: str) -> None:
    """Refuse a file that begins with the signature of another kind, whatever its extension."""
    with path.open("rb") as file:
        head = file.read(64)
    plain = head.lstrip().lower()
    found = next((start for start in _SIGNATURES if head.startswith(start) or plain.startswith(start)), _STREAM)
    own = {"npz": (_ZIP,), "npy": (_NPY,), "parquet": (_PARQUET,), "pq": (_PARQUET,)}
    own |= dict.fromkeys(("arrow", "feather", "ipc"), (_ARROW, _STREAM))
    if found not in ((_GZIP,) if path.suffix.lower() == ".gz" else own.get(kind, (_STREAM,))):
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


_TEXT_READERS: dict[str, Callable[[Path, Layout], Source]] = {
    "csv": read_csv,
    "tsv": read_csv,
    "jsonl": read_jsonl,
    "ndjson": read_jsonl,
    "ts": read_ts,
    "txt": read_txt,
}
_BINARY_READERS: dict[str, Callable[[Path, Layout], Source]] = {
    "parquet": _read_parquet,
    "pq": _read_parquet,
    "arrow": _read_arrow,
    "feather": _read_arrow,
    "ipc": _read_arrow,
    "npz": read_npz,
    "npy": read_npy,
}
