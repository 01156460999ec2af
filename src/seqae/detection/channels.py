"""Of all channels, those that are scored: models read every one, and what they say of the others does not count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidParameter
from ..sequences.ragged import Ragged

if TYPE_CHECKING:
    from .nearest import NearestSensor
    from .sensors import AutoencoderSensor, LinearSensor


class _OfChannels:
    """A model of which some channels are scored."""

    __slots__ = ()
    sensor: Any

    @property
    def kinds(self) -> tuple[str, ...]:
        """What columns there are."""
        return self.sensor.kinds

    @property
    def reads_tokens(self) -> bool:
        """Never: tokens are one channel."""
        return False


@dataclass(frozen=True, slots=True, eq=False)
class ScoredErrors(_OfChannels):
    """A model that reads all channels, and the columns of those that are scored. channels: (n,) their numbers."""

    sensor: AutoencoderSensor | LinearSensor
    channels: np.ndarray

    def width(self, kind: str) -> int:
        """How many columns a kind has."""
        return len(self.channels)

    def read(self, windows: Ragged) -> np.ndarray:
        """windows: of all channels, in the units of the data. Returns (n_steps, n_columns)."""
        columns = self.sensor.read(windows)
        firsts = np.arange(len(self.kinds)) * windows.n_channels
        return np.take(columns, (firsts[:, None] + self.channels).reshape(-1), axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredValues(_OfChannels):
    """Distances to the nearest normal windows, of scored channels alone. channels: (n,) their numbers."""

    sensor: NearestSensor
    channels: np.ndarray

    def width(self, kind: str) -> int:
        """How many columns a kind has."""
        return self.sensor.width(kind)

    def read(self, windows: Ragged) -> np.ndarray:
        """windows: of all channels, in the units of the data. Returns (n_steps, 1)."""
        return self.sensor.read(of_channels(windows, self.channels))


def of_channels(sequences: Ragged, channels: np.ndarray | None) -> Ragged:
    """The sequences with these channels alone; None is all. Copies the rows from the first that is used to the last."""
    if channels is None or not len(sequences):
        return sequences
    rows = slice(int(sequences.starts.min()), int((sequences.starts + sequences.lengths).max()))
    values = np.take(sequences.values[rows], channels, axis=1)
    observed = None if sequences.observed is None else np.take(sequences.observed[rows], channels, axis=1)
    return Ragged.view(values, sequences.starts - rows.start, sequences.lengths, observed)


def as_channels(wanted: Any, names: Sequence[str], *, are_tokens: bool) -> np.ndarray | None:
    """The numbers of channels that are given by name or number, (n,) in that order; None is all of them.

    names: (n_channels,). Raises InvalidParameter for what is no channel, or named twice.
    """
    if wanted is None:
        return None
    if are_tokens:
        raise InvalidParameter(
            "scored_channels chooses among channels, but tokens are one; leave it out", parameter="scored_channels"
        )
    if isinstance(wanted, str) or not isinstance(wanted, Sequence | np.ndarray) or not len(wanted):
        raise InvalidParameter(
            f"scored_channels must be a list of channel names or numbers, got {wanted!r}", parameter="scored_channels"
        )
    numbers = [_number(channel, names) for channel in wanted]
    if len(set(numbers)) < len(numbers):
        raise InvalidParameter(
            f"scored_channels must name each channel once, got {wanted!r}", parameter="scored_channels"
        )
    return np.array(numbers, np.int64)


def suited_parts(names: tuple[str, ...], score: Any) -> tuple[str, ...]:
    """The parts of a score that can be of some channels; "latent" is of all at once, so "auto" does without it."""
    if "latent" not in names:
        return names
    if score != "auto":
        raise InvalidParameter(
            "score 'latent' is of all channels at once; choose others, or leave scored_channels out",
            parameter="scored_channels",
        )
    return tuple(name for name in names if name != "latent")


def _number(channel: Any, names: Sequence[str]) -> int:
    if isinstance(channel, str) and channel in names:
        return names.index(channel)
    if isinstance(channel, Integral) and not isinstance(channel, bool) and 0 <= int(channel) < len(names):
        return int(channel)
    shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    raise InvalidParameter(
        f"scored_channels names {channel!r}, but the channels are {shown}, or 0 to {len(names) - 1} by number",
        parameter="scored_channels",
    )
