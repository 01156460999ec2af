"""Damaged and hostile files: bytes that are changed at random, and signed edits of what a model file says of itself."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from seqae.storage.model_file import ModelFile

TOKENS = (
    b"",
    b"\0",
    b"\n",
    b"\r",
    b'"',
    b",",
    b"nan",
    b"1e999",
    b"-",
    b"{",
    b"[[",
    b"\xff\xfe",
    b"9" * 30,
    b"PAR1",
    b"PK\x03\x04",
)
HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 3, 1000, 100_000, 10**12, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "lstm", "x" * 10_000, "\x1b[31m", [], [[]], [1, 2], ["a", "a"], [None], {}, {"is": "Loss"}, {"a": {}},
    [[[[[[]]]]]],
)  # fmt: skip


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to four changes: bits turned, bytes cut, repeated, put in or replaced, and numbers made extreme."""
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(data) + 1))
        end = min(len(data), at + int(rng.integers(1, 17)))
        kind = rng.integers(0, 7)
        if kind == 0 and data:
            k = min(at, len(data) - 1)
            data = data[:k] + bytes([data[k] ^ (1 << int(rng.integers(0, 8)))]) + data[k + 1 :]
        elif kind == 1:
            data = data[:at]
        elif kind == 2:
            data = data[:at] + data[end:]
        elif kind == 3:
            data = data[:end] + data[at:end] * int(rng.integers(1, 9)) + data[end:]
        elif kind == 4:
            data = data[:at] + TOKENS[rng.integers(0, len(TOKENS))] + data[at:]
        elif kind == 5:
            data = data[:at] + rng.bytes(end - at) + data[end:]
        else:
            number = struct.pack("<q", int(rng.choice([0, -1, 2**31 - 1, 2**31, 2**62, -(2**62)])))
            data = data[:at] + number[: end - at] + data[end:]
    return data


def edits(file: ModelFile) -> Iterator[tuple[str, ModelFile]]:
    """Every edit of one value: each place of the header with each hostile value, or left out, and each array changed.

    Gives what was done, in words, and the file.
    """
    for path in places(file.config):
        for value in HOSTILE:
            yield f"{path} = {str(value)[:40]}", ModelFile(file.kind, replaced(file.config, path, value), file.tensors)
        yield f"{path} left out", ModelFile(file.kind, replaced(file.config, path, LEFT_OUT), file.tensors)
    for name, array in file.tensors.items():
        for what, changed in changes(array):
            tensors = dict(file.tensors)
            tensors[name] = changed
            yield f"{name} {what}", ModelFile(file.kind, file.config, tensors)
        yield (
            f"{name} left out",
            ModelFile(file.kind, file.config, {k: v for k, v in file.tensors.items() if k != name}),
        )
        extra = {**file.tensors, f"{name}.more": array}
        yield f"{name} twice", ModelFile(file.kind, file.config, extra)
    for value in (None, "", "other", 3):
        yield f"kind = {value}", ModelFile(value, file.config, file.tensors)  # pyright: ignore[reportArgumentType]


LEFT_OUT = object()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON value; of a long list the first and the last."""
    keys = (
        list(value)
        if isinstance(value, dict)
        else sorted({0, len(value) - 1})
        if isinstance(value, list) and value
        else []
    )
    for key in keys:
        yield (*path, key)
        yield from places(value[key], (*path, key))


def replaced(config: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a JSON value with another value at a path."""
    config = copy.deepcopy(json.loads(json.dumps(config)))
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    if value is LEFT_OUT:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return config


def changes(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The array with other values, in another shape, and of another type."""
    yield "empty", array.reshape(-1)[:0]
    yield "a scalar", np.zeros((), array.dtype)
    yield "shorter", array[:-1] if array.ndim else array
    yield "longer", np.concatenate([array, array]) if array.ndim else array
    yield "of another rank", array[None]
    yield "turned", np.ascontiguousarray(array.T)
    for dtype in (np.float64, np.float32, np.int64, np.uint8, np.bool_, np.float16):
        if array.dtype != dtype:
            yield f"as {np.dtype(dtype)}", array.astype(dtype)
    numbers = (np.nan, np.inf, -np.inf, 1e38, -1.0, 0.0) if array.dtype.kind == "f" else (0, -1, 2**31 - 1, -(2**31))
    for number in numbers:
        if array.size and array.dtype.kind in "fi":
            changed = array.copy()
            changed.reshape(-1)[-1] = number
            yield f"with {number}", changed
            yield f"full of {number}", np.full_like(array, number)
