"""Arrays for a page: packed into one piece of base64, curves thinned so that their extremes stay."""

from __future__ import annotations

import base64

import numpy as np

MISSING = 65535
"""Stands for a value that was not observed, among levels of 16 bits."""
KINDS = {"f4": np.float32, "u2": np.uint16, "u1": np.uint8, "i4": np.int32}


class Packing:
    """Arrays in one row of bytes, each at a multiple of four."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.index: dict[str, tuple[str, int, tuple[int, ...]]] = {}

    def add(self, name: str, kind: str, array: np.ndarray) -> None:
        """Add an array under a name. kind: a key of KINDS, in which it is kept, little-endian."""
        own = np.ascontiguousarray(array, np.dtype(KINDS[kind]).newbyteorder("<"))
        data = own.tobytes()
        self.index[name] = (kind, self._size, own.shape)
        padded = data + b"\0" * (-len(data) % 4)
        self._parts.append(padded)
        self._size += len(padded)

    def to_base64(self) -> str:
        """All of them."""
        return base64.b64encode(b"".join(self._parts)).decode()

    @property
    def n_bytes(self) -> int:
        """In base64."""
        return -(-self._size // 3) * 4


def thinned(values: np.ndarray, most: int) -> np.ndarray:
    """At most `most` steps that keep, of each stretch and channel, the least and the greatest value, in their order.

    values: (n_steps, n_channels) float64, NaN where nothing was observed; most: even, at least 2.
    Returns (min(n_steps, most), n_channels): row 2 b and 2 b + 1 are of stretch b of most / 2 even ones.
    """
    n_steps, n_channels = values.shape
    if n_steps <= most:
        return values
    edges = np.linspace(0, n_steps, most // 2 + 1).round().astype(int)
    width = int(np.diff(edges).max())
    rows = edges[:-1, None] + np.arange(width)  # (n_stretches, width)
    is_inside = rows < edges[1:, None]
    block = np.where(is_inside[..., None], values[np.minimum(rows, n_steps - 1)], np.nan)
    least = np.where(np.isnan(block), np.inf, block).argmin(axis=1)[:, None]  # (n_stretches, 1, n_channels)
    greatest = np.where(np.isnan(block), -np.inf, block).argmax(axis=1)[:, None]
    ends = np.concatenate([np.minimum(least, greatest), np.maximum(least, greatest)], axis=1)
    return np.take_along_axis(block, ends, axis=1).reshape(-1, n_channels)


def levels(values: np.ndarray, low: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Values as 65,535 levels from low on, `step` apart; MISSING for NaN. values: (n, n_channels). Returns uint16."""
    scaled = np.divide(values - low, step, out=np.zeros_like(values), where=step > 0)
    return np.where(np.isnan(values), MISSING, np.clip(np.rint(np.nan_to_num(scaled)), 0, MISSING - 1)).astype(
        np.uint16
    )
