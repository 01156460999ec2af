"""Data from anywhere as plain files on disk: what is compressed, standard input, addresses, open files."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import UnreadableFile
from .expanding import check_archive, check_expanded, most_bytes
from .paths import COMPRESSED, Origin, check_exists, is_address, is_standard_input
from .source import Layout

_CHUNK = 1 << 22
_SIGNATURES = {
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\xfd7zXZ\x00": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
}
_KINDS = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow",
    b"\x93NUMPY": "npy",
    b"ORC": "orc",
    b"\x89HDF": "h5",
    b"MATLAB": "mat",
}


def name_of(origin: Origin) -> str:
    """What messages call it."""
    return "standard input" if is_standard_input(origin) else os.fspath(origin)


@contextmanager
def opened(origin: Origin, layout: Layout) -> Iterator[list[Path]]:
    """Plain files with what is there, one unless it is a zip archive of several; copies are removed at the end.

    Raises UnreadableFile for what does not exist, is empty or expands to more than the layout allows.
    """
    with tempfile.TemporaryDirectory(prefix="seqae-", ignore_cleanup_errors=True) as folder:
        yield _plain(_local(origin, Path(folder), layout), Path(folder) / "expanded", layout)


@contextmanager
def written(file: IO[bytes] | IO[str], layout: Layout) -> Iterator[Path]:
    """A file on disk with what an open file holds from its position on."""
    with tempfile.TemporaryDirectory(prefix="seqae-", ignore_cleanup_errors=True) as folder:
        yield _copied(file, Path(folder), layout)


def _local(origin: Origin, folder: Path, layout: Layout) -> Path:
    """The file itself, or a copy of what no file is."""
    if is_standard_input(origin):
        return _copied(sys.stdin.buffer, folder, layout)
    if is_address(origin):
        return _fetched(os.fspath(origin), folder)
    path = Path(origin).expanduser()
    check_exists(path)
    if path.is_fifo():
        with path.open("rb") as pipe:
            return _copied(pipe, folder, layout)
    return path


def _fetched(address: str, folder: Path) -> Path:
    try:
        import fsspec
    except ImportError as error:
        raise UnreadableFile(
            "is an address, which needs the 'remote' extra: pip install 'seqae[remote]'; or download it first"
        ) from error
    target = folder / (PurePosixPath(address.partition("?")[0]).name or "data")
    try:
        with fsspec.open(address, "rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)  # pyright: ignore[reportArgumentType]
    except Exception as error:  # every protocol has its own errors
        raise UnreadableFile(f"cannot be fetched ({' '.join(str(error).split())[:200]}); download it first") from error
    return target


def _copied(file: IO[bytes] | IO[str], folder: Path, layout: Layout) -> Path:
    """What is read from a file, under a name with the extension of its kind."""
    target = folder / "data"
    with target.open("wb") as copy:
        while part := file.read(_CHUNK):
            copy.write(part.encode() if isinstance(part, str) else part)
    if not target.stat().st_size:
        raise UnreadableFile("is empty; nothing was written to it, or it was read before")
    return target.rename(folder / f"data{_ending(target, layout)}")


def _ending(path: Path, layout: Layout) -> str:
    """The extension that the content of a file asks for."""
    with path.open("rb") as file:
        head = file.read(1 << 12)
    for start, ending in _SIGNATURES.items():
        if head.startswith(start):
            return _ending_within(path, ending, layout) + ending
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        return ".xlsx" if "xl/workbook.xml" in names else ".npz" if all(n.endswith(".npy") for n in names) else ".zip"
    return f".{_kind(head, layout)}"


def _ending_within(path: Path, ending: str, layout: Layout) -> str:
    with _OPENERS[ending](path) as file:
        return f".{_kind(file.read(1 << 12), layout)}"


def _kind(head: bytes, layout: Layout) -> str:
    for start, kind in _KINDS.items():
        if head.startswith(start):
            return kind
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"{", b"[")):
        return "json" if text.startswith(b"[") else "jsonl"
    lines = [line for line in text.splitlines() if line and not line.startswith((b"#", b"%"))]
    if lines and lines[0].startswith(b"@"):
        is_arff = any(line.startswith(b"@attribute") for line in lines)
        return "tsf" if any(line.startswith(b"@frequency") for line in lines) else "arff" if is_arff else "ts"
    is_lines = layout.symbols is not None and (layout.id, layout.time, layout.channels) == (None, None, None)
    return "txt" if is_lines else "csv"


# -- what is compressed ------------------------------------------------------------------------------------------------


def _open_zstd(path: Path) -> IO[bytes]:
    import pyarrow as pa

    return pa.input_stream(str(path), compression="zstd")  # pyright: ignore[reportReturnType]


_OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": gzip.open,  # pyright: ignore[reportAssignmentType]
    ".bz2": bz2.open,  # pyright: ignore[reportAssignmentType]
    ".xz": lzma.open,  # pyright: ignore[reportAssignmentType]
    ".zst": _open_zstd,
}


def _plain(path: Path, folder: Path, layout: Layout) -> list[Path]:
    """The file, or what is in it if it is compressed."""
    ending = next((ending for ending in COMPRESSED if path.name.lower().endswith(ending)), None)
    if ending is None:
        return [path]
    most = most_bytes(path, layout)
    folder.mkdir()
    if ending == ".zip":
        return _unzipped(path, folder, most)
    target = folder / path.name[: -len(ending)]
    _expand(_OPENERS[ending](path), target, most)
    return [target]


def _expand(source: IO[bytes], target: Path, most: int) -> None:
    n_bytes = 0
    with source, target.open("wb") as file:
        while part := source.read(_CHUNK):
            n_bytes += len(part)
            check_expanded(n_bytes, most)
            file.write(part)
    if not n_bytes:
        raise UnreadableFile("is empty; write it again")


def _unzipped(path: Path, folder: Path, most: int) -> list[Path]:
    with zipfile.ZipFile(path) as archive:
        check_archive(archive, most)
        members = [
            member
            for member in archive.infolist()
            if not member.is_dir() and not member.filename.startswith(("__MACOSX", ".")) and member.file_size
        ]
        if not members:
            raise UnreadableFile("is a zip archive without files; write it again")
        names = [PurePosixPath(member.filename).name for member in members]
        if len(set(names)) < len(names):
            raise UnreadableFile("is a zip archive with files of one name in several folders; unpack it")
        for member, name in zip(members, names, strict=True):
            _expand(archive.open(member), folder / name, most)
    return [folder / name for name in sorted(names)]
