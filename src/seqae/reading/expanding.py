"""How large a compressed file becomes in memory, told before it does: a small file can hold a large table."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnreadableFile
from .source import Layout

if TYPE_CHECKING:
    import pyarrow as pa

USUAL_RATIO = 50
"""A file may always expand to so many times its size."""
_ROWS = 1 << 16


def most_bytes(path: Path, layout: Layout) -> int:
    """What a file may expand to."""
    return max(layout.max_bytes, USUAL_RATIO * path.stat().st_size)


def check_expanded(n_bytes: int, most: int) -> None:
    """Raise UnreadableFile if a file would need more than `most` bytes."""
    if n_bytes > most:
        raise UnreadableFile(
            f"expands to more than {most:,} bytes, far more than its own size; if it is meant to, pass max_bytes= "
            "(--max-bytes), else write it again",
            parameter="max_bytes",
        )


def check_archive(archive: zipfile.ZipFile, most: int) -> None:
    """Raise UnreadableFile if the members of a zip archive would need more than `most` bytes together."""
    check_expanded(sum(member.file_size for member in archive.infolist()), most)


def check_parquet(path: Path, most: int) -> None:
    """Raise UnreadableFile if a Parquet file's values would need more than `most` bytes.

    A page of equal values is as small as one of them, so rows are counted, texts measured as a dictionary, and lists
    by reading some of their rows at a time.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        metadata, schema = file.metadata, file.schema_arrow
        groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
        n_bytes = sum(max(8 * group.num_rows * len(schema), group.total_byte_size) for group in groups)
        check_expanded(n_bytes, most)
        nested = [field.name for field in schema if pa.types.is_nested(field.type)]
        for batch in file.iter_batches(_ROWS, columns=nested) if nested else ():
            n_bytes += batch.nbytes
            check_expanded(n_bytes, most)
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        for batch in file.iter_batches(_ROWS, columns=texts) if texts else ():
            n_bytes += sum(map(_text_bytes, batch.columns))
            check_expanded(n_bytes, most)


def _text_bytes(column: pa.Array) -> int:
    """The bytes that the texts of a dictionary column take once they are written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not isinstance(column, pa.DictionaryArray):
        return column.nbytes
    lengths = pc.binary_length(column.dictionary).take(column.indices)  # pyright: ignore[reportAttributeAccessIssue]
    return pc.sum(lengths).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]


def check_arrow(messages: pa.MessageReader, most: int) -> None:
    """Raise UnreadableFile if the compressed buffers of an Arrow file would need more than `most` bytes."""
    n_bytes = 0
    for message in messages:
        if message.type in ("record batch", "dictionary"):
            n_bytes += _buffer_bytes(message)
            check_expanded(n_bytes, most)


def _buffer_bytes(message: pa.Message) -> int:
    """The sizes that stand before the compressed buffers of a record batch; see Arrow's Message.fbs."""
    table = _Table.root(message.metadata.to_pybytes())
    batch = table.table(2)
    if message.type == "dictionary":
        batch = batch.table(1)
    if not batch.has(3):  # not compressed
        return 0
    total, body = 0, message.body
    for offset, length in batch.pairs(2):
        if length >= 8 and 0 <= offset <= body.size - 8:
            (size,) = struct.unpack("<q", body[offset : offset + 8].to_pybytes())
            total += max(size, 0)
    return total


class _Table:
    """A table of a flatbuffer: fields by number."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data, self._position = data, position
        self._fields = position - self._number("<i", position)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def has(self, field: int) -> bool:
        return self._offset(field) != 0

    def table(self, field: int) -> _Table:
        at = self._position + self._offset(field)
        return _Table(self._data, at + self._number("<I", at))

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of pairs of 64-bit numbers."""
        at = self._position + self._offset(field)
        start = at + self._number("<I", at)
        count = min(self._number("<I", start), len(self._data) // 16)
        return [struct.unpack_from("<qq", self._data, start + 4 + 16 * k) for k in range(count)]

    def _offset(self, field: int) -> int:
        size = self._number("<H", self._fields)
        return self._number("<H", self._fields + 4 + 2 * field) if 4 + 2 * field < size else 0

    def _number(self, kind: str, at: int) -> int:
        return struct.unpack_from(kind, self._data, at)[0]
