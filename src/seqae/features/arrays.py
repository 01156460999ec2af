"""Arrays of what was learnt, taken out by name and shape: a file may hold anything."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import InvalidParameter

Arrays = Mapping[str, np.ndarray]
ANY = -1
"""Any size, also 0, in a shape."""


def taken(arrays: Arrays, name: str, shape: tuple[int | None, ...], kind: str = "f") -> np.ndarray:
    """The array of that name. shape: None is any size of at least 1, ANY also 0; kind: of its dtype, as NumPy has it.

    Raises InvalidParameter if it is not there, of another shape or kind, or not finite.
    """
    array = arrays.get(name)
    if array is None:
        raise InvalidParameter(f"{name} is missing")
    is_of_shape = array.ndim == len(shape) and all(
        n >= 1 if wanted is None else wanted in (ANY, n) for n, wanted in zip(array.shape, shape, strict=True)
    )
    if not is_of_shape or array.dtype.kind != kind:
        raise InvalidParameter(f"{name} must have shape {shape} and kind {kind!r}, got {array.shape}, {array.dtype}")
    if kind == "f" and not np.isfinite(array).all():
        raise InvalidParameter(f"{name} must hold finite numbers")
    return array


def below(arrays: Arrays, part: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with part and a dot, without it."""
    return {name.removeprefix(f"{part}."): array for name, array in arrays.items() if name.startswith(f"{part}.")}
