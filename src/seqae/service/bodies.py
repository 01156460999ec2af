"""Bodies of requests and answers: JSON, or a table as an Arrow stream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SeqaeError
from ..reading.source import Layout
from .limits import Limits, Refused

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"


def unreadable(message: str) -> Refused:
    """The error for a body that is not as documented."""
    return Refused(422, "invalid", message)


def json_of(body: bytes) -> Mapping[str, Any]:
    """A body as a JSON object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise unreadable(f"the body is not JSON: {str(error)[:100]}") from error
    if not isinstance(value, dict):
        raise unreadable("the body must be a JSON object")
    return value


def only(value: Mapping[str, Any], *names: str) -> None:
    """Refuse names that are not read."""
    for name in value:
        if name not in names:
            raise unreadable(f"there is no field {name[:60]!r}; there are: {', '.join(names)}")


def number(value: Mapping[str, Any], name: str, default: int, most: int) -> int:
    """A whole number from 1 to most."""
    found = value.get(name, default)
    if type(found) is not int or not 1 <= found <= most:
        raise unreadable(f"{name} must be a whole number from 1 to {most}")
    return found


def sequences_of(value: Mapping[str, Any], limits: Limits) -> list[Any]:
    """The sequences of a JSON body: {"sequences": [...]}, or {"values": [...], "lengths": [...]} back to back."""
    if "values" in value or "lengths" in value:
        if "sequences" in value:
            raise unreadable("give either sequences, or values and lengths")
        return _cut(value.get("values"), value.get("lengths"))
    found = value.get("sequences")
    if not isinstance(found, list) or not found:
        raise unreadable("sequences must be a list of sequences, at least one")
    for i, sequence in enumerate(found):
        if not isinstance(sequence, list | str) or not sequence:
            raise unreadable(f"sequence {i} must be a list of steps, at least one")
    check_size(len(found), sum(map(len, found)), limits)
    return [sequence if isinstance(sequence, str) else _steps(sequence, i) for i, sequence in enumerate(found)]


def check_size(n_sequences: int, n_steps: int, limits: Limits) -> None:
    """Refuse what is too much for one request."""
    if n_sequences > limits.sequences:
        raise Refused(413, "too_large", f"{n_sequences} sequences; at most {limits.sequences} in one request")
    if n_steps > limits.steps:
        raise Refused(413, "too_large", f"{n_steps} steps; at most {limits.steps} in one request")


def table_of(body: bytes) -> pa.Table:
    """A body as an Arrow table."""
    import pyarrow as pa

    try:
        table = pa.ipc.open_stream(pa.py_buffer(body)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(f"the body is no Arrow stream: {' '.join(str(error).split())[:100]}") from error
    return table


def layout_of(query: Mapping[str, str]) -> Layout:
    """How an Arrow table is laid out: ?id=COLUMN&time=COLUMN."""
    only(query, "id", "time")
    return Layout(query.get("id"), query.get("time"))


def arrow_of(columns: Mapping[str, Any]) -> bytes:
    """Columns, each (n,), as an Arrow stream."""
    import pyarrow as pa

    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def plain(value: Any) -> Any:
    """For JSON: NaN as null, arrays as lists."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            found = value.astype(object)
            found[np.isnan(value)] = None
            return found.tolist()
        return value.tolist() if value.dtype.kind in "iubO" else value.astype(str).tolist()
    return value


def in_words(error: SeqaeError) -> Refused:
    """An error of ours about what was sent."""
    return unreadable(str(error))


def _steps(sequence: list[Any], i: int) -> Any:
    """Numbers as an array; null is NaN. Symbols stay as they are."""
    first = sequence[0]
    if isinstance(first, str):
        return sequence
    try:
        array = np.array(sequence, np.float64)
    except (TypeError, ValueError) as error:
        raise unreadable(f"sequence {i} must be steps of numbers, each with all channels, or symbols") from error
    if array.ndim > 2:
        raise unreadable(f"sequence {i} has lists within the values of a step")
    is_whole = all(type(step) is int for step in sequence)
    return array.astype(np.int64) if is_whole and np.abs(array).max() < 2**53 else array


def _cut(values: Any, lengths: Any) -> list[Any]:
    if not isinstance(values, list) or not isinstance(lengths, list) or not lengths:
        raise unreadable("values and lengths must be lists, one length for each sequence")
    if any(type(length) is not int or length < 1 for length in lengths) or sum(lengths) != len(values):
        raise unreadable("lengths must be whole numbers of at least 1 that add up to the number of values")
    ends = np.cumsum(lengths)
    return [_steps(values[end - length : end], i) for i, (end, length) in enumerate(zip(ends, lengths, strict=True))]


def vectors_of(value: Mapping[str, Any], limits: Limits) -> tuple[np.ndarray, list[int] | None]:
    """The vectors of a JSON body, (n, size), and the lengths to decode them to."""
    given, lengths = value.get("vectors"), value.get("lengths")
    try:
        vectors = np.array(given, np.float32)
    except (TypeError, ValueError) as error:
        raise unreadable("vectors must be a list of vectors, each a list of numbers") from error
    if vectors.ndim != 2 or not vectors.size:
        raise unreadable("vectors must be a list of vectors, each a list of numbers")
    if lengths is None:
        check_size(len(vectors), 0, limits)
        return vectors, None
    if not isinstance(lengths, list) or any(type(length) is not int or length < 1 for length in lengths):
        raise unreadable("lengths must be a list of whole numbers of at least 1")
    check_size(len(vectors), sum(lengths), limits)
    return vectors, lengths


def texts(value: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts; none if it is not given."""
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise unreadable(f"{name} must be a list of texts")
    return found


def _no_constant(name: str) -> float:
    """JSON has no NaN and no infinity, though Python reads them."""
    raise ValueError(f"{name} is no JSON")


def step_of(text: str) -> object:
    """A step of a stream: a list of numbers, null where missing, or a number where there is one channel."""
    try:
        step = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise unreadable("a step must be JSON: a list with a number for each channel") from error
    values = step if isinstance(step, list) else [step]
    if not values or not all(number is None or type(number) in (int, float) for number in values):
        raise unreadable("a step must be a list with a number for each channel")
    return values
