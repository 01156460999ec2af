"""What is in memory and only looks like a list of sequences, as a list of them or a table."""

from __future__ import annotations

import io
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import IO, TypeGuard

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..parameters import check_kind
from ..sequences.checks import to_numpy


def is_open_file(X: object) -> TypeGuard[IO[bytes] | IO[str]]:
    """Whether X is a file that is open, or text or bytes in memory that are read like one."""
    return isinstance(X, io.IOBase)


def unwrapped(X: object) -> object:
    """X as a list, a data frame or an array: packed and nested tensors, iterables and data sets are taken apart.

    Raises InvalidSequence for what would be taken for something else.
    """
    kind = type(X)
    where = f"{kind.__module__}."
    if kind.__name__ == "PackedSequence" and where.startswith("torch."):
        from torch.nn.utils.rnn import PackedSequence, unpack_sequence

        return unpack_sequence(check_kind("X", X, PackedSequence))
    if where.startswith("torch.") and getattr(X, "is_nested", False):
        return list(X.unbind())  # pyright: ignore[reportAttributeAccessIssue]
    if where.startswith("datasets."):
        return _of_dataset(X)
    if isinstance(X, tuple) and kind is not tuple:
        raise InvalidSequence(f"X is a {kind.__name__}, a tuple of named parts; pass the part that holds the sequences")
    if isinstance(X, Mapping):
        raise InvalidSequence(
            f"X is a {kind.__name__}; pass list(X.values()) if each value is a sequence, or a data frame if each is a "
            "column"
        )
    if isinstance(X, Iterator | KeysView | ValuesView | ItemsView) or _is_iterable_only(X):
        return list(X)  # pyright: ignore[reportArgumentType]
    return X


def groups_of(X: object) -> tuple[list[object], list[object]] | None:
    """The keys and the frames of a data frame that was grouped, in order; None for anything else."""
    kind = type(X)
    if not ("GroupBy" in kind.__name__ and kind.__module__.startswith(("pandas.", "polars."))):
        return None
    pairs = [(key, frame) for key, frame in check_kind("X", X, Iterable)]
    return [_key(key) for key, _ in pairs], [frame for _, frame in pairs]


def _key(key: object) -> object:
    """One value, or several joined by commas."""
    if not isinstance(key, tuple):
        return key
    return key[0] if len(key) == 1 else ",".join(map(str, key))


def _is_iterable_only(X: object) -> bool:
    """Whether X can be gone through but is neither a sequence, an array, a frame nor text."""
    return (
        isinstance(X, Iterable)
        and not isinstance(X, str | bytes | set | frozenset)
        and not any(hasattr(X, name) for name in ("__getitem__", "__array__", "__dataframe__", "__arrow_c_stream__"))
        and "GroupBy" not in type(X).__name__
    )


def _of_dataset(X: object) -> object:
    """A data set of Hugging Face as an Arrow table, with the rows that were selected; a column of one as a list."""
    if hasattr(X, "with_format") and hasattr(X, "num_rows"):
        return X.with_format("arrow")[:]  # pyright: ignore[reportIndexIssue, reportAttributeAccessIssue]
    return list(check_kind("X", X, Iterable))


def steps_first(X: object) -> object:
    """Arrays whose channels come first, (n_channels, n_steps) each, with steps first.

    Raises InvalidParameter for anything else.
    """
    parts = [_as_array(part) for part in X] if isinstance(X, list | tuple) else [_as_array(X)]
    is_list = isinstance(X, list | tuple)
    if not parts or any(part is None or part.ndim != (2 if is_list else 3) for part in parts):
        raise InvalidParameter(
            "channels_first is of arrays: one (n_sequences, n_channels, n_steps), or a list of (n_channels, n_steps); "
            f"got {type(X).__name__}",
            parameter="channels_first",
        )
    turned = [part.swapaxes(-1, -2) for part in parts if part is not None]
    return turned if is_list else turned[0]


def _as_array(part: object) -> np.ndarray | None:
    is_array = isinstance(part, np.ndarray | list) or hasattr(part, "detach")
    return to_numpy(part) if is_array else None
