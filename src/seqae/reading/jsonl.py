"""JSON Lines: one object per line, either a whole sequence or one step of a long table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidParameter, InvalidSequence, UnreadableFile
from .source import Layout, Source, source_of_arrays
from .symbols import source_of_lists
from .table import source_of_table
from .text import decode, read_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_VALUES = "values"
_ID = "id"


def read_jsonl(path: Path, layout: Layout) -> Source:
    """Sequences `{"id": ..., "values": [[...], ...]}`, or steps `{"id": ..., "time": ..., "x": ..., "y": ...}`.

    The first line decides which: an object with a list "values" is a sequence. The id of a sequence is
    "id" unless id= names another key. null and NaN are missing.

    Raises UnreadableFile naming the line that is not a JSON object.
    """
    return _source_of_objects(list(_objects(decode(read_bytes(path)))), layout)


def _source_of_objects(objects: list[tuple[int, dict[str, object]]], layout: Layout) -> Source:
    if _is_sequence(objects[0][1], layout):
        return _sequences(objects, layout)
    return source_of_table(_table(objects), layout)


def read_json(path: Path, layout: Layout) -> Source:
    """One JSON array of such objects, one object with a list for each column, or JSON Lines.

    Raises UnreadableFile for anything else.
    """
    text = decode(read_bytes(path))
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return read_jsonl(path, layout)
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        return source_of_table(_of_columns(value), layout)
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        raise UnreadableFile("must be an array of objects, or an object with one list for each column; export it so")
    return _source_of_objects(list(enumerate(value, 1)), layout)


def _of_columns(columns: dict[str, list[object]]) -> pa.Table:
    import pyarrow as pa

    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in list(lengths.items())[:6])
        raise InvalidSequence(f"the columns differ in length ({shown}); make them alike")
    return pa.table({name: _column(column, name) for name, column in columns.items()})


def _is_sequence(value: dict[str, object], layout: Layout) -> bool:
    """Whether an object is a whole sequence; symbols may be one string."""
    return isinstance(value.get(_VALUES), list if layout.symbols is None else list | str)


def _objects(text: str) -> Iterator[tuple[int, dict[str, object]]]:
    """The objects with their line numbers, from 1; empty lines are skipped."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
            raise UnreadableFile(f"line {number} is no valid JSON ({reason}); mend or drop that line") from error
        if not isinstance(value, dict):
            raise UnreadableFile(f"line {number} must be an object in braces, got {line.strip()[:40]}")
        yield number, value


def _sequences(objects: list[tuple[int, dict[str, object]]], layout: Layout) -> Source:
    if layout.time is not None or layout.wide:
        raise InvalidParameter("time= and wide= need one step or one row per line; here each line is a whole sequence")
    for number, value in objects:
        if not _is_sequence(value, layout):
            raise InvalidSequence(f"line {number} must have a list {_VALUES!r} as the first line has")
    values = [value[_VALUES] for _, value in objects]
    source = (
        source_of_arrays(values, replace(layout, id=None))
        if layout.symbols is None
        else source_of_lists(values, layout)
    )
    name = layout.id or (_ID if _ID in objects[0][1] else None)
    if name is None:
        return source
    for number, value in objects:
        if value.get(name) is None:
            raise InvalidSequence(f"line {number} has no {name!r}; every sequence needs one, or none")
    ids = _column([value[name] for _, value in objects], name)
    return replace(source, ids=ids.to_numpy(zero_copy_only=False), id_name=name)


def _table(objects: list[tuple[int, dict[str, object]]]) -> pa.Table:
    import pyarrow as pa

    names = list(dict.fromkeys(name for _, value in objects for name in value))
    return pa.table({name: _column([value.get(name) for _, value in objects], name) for name in names})


def _column(values: list[object], name: str) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise InvalidSequence(f"{name!r} must be of one type throughout; make its values alike ({reason})") from error
