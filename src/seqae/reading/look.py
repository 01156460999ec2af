"""What was understood of data: its sequences, channels, times and gaps, and which option would change it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..sequences.checks import to_numpy
from ..sequences.ragged import Ragged
from .grouping import plain
from .source import ORDINAL, Source

FAR = 10.0
"""An outlier lies so many times the distance of the quartiles from them."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel over all sequences.

    low, median, high: of its observed values, NaN if there are none. n_missing, n_outliers: values that are not
    observed, and those that lie more than FAR times the distance of the quartiles beyond them.
    """

    name: str
    low: float
    median: float
    high: float
    n_missing: int
    n_outliers: int

    @property
    def statistics(self) -> dict[str, float]:
        """By heading."""
        return {"min": self.low, "median": self.median, "max": self.high}

    @property
    def note(self) -> str:
        """What to know of it, in words; empty for an ordinary channel."""
        if np.isnan(self.low):
            return "never observed"
        return "constant" if self.low == self.high else ""


@dataclass(frozen=True, slots=True)
class Times:
    """first, last: as text. usual: the median difference as text; n_longer: differences above 1.5 of it."""

    first: str
    last: str
    usual: str
    n_longer: int


@dataclass(frozen=True, slots=True)
class Look:
    """n_sequences; shortest, median, longest: lengths in steps; channels: empty for symbols; times: None without.

    ids: the first ones as text. options: what would change how the data is understood, with why.
    """

    n_sequences: int
    n_steps: int
    shortest: int
    median: float
    longest: int
    ids: tuple[str, ...]
    id_name: str
    channels: tuple[Channel, ...]
    times: Times | None
    symbols: tuple[str, ...] | None
    options: tuple[tuple[str, str], ...]


def look_at(source: Source) -> Look:
    """What a Source holds. Its values are read once, a channel at a time."""
    sequences = source.ragged
    lengths = sequences.lengths
    channels = () if sequences.is_tokens else tuple(_channels(source))
    return Look(
        n_sequences=len(source),
        n_steps=sequences.n_steps,
        shortest=int(lengths.min()),
        median=float(np.median(lengths)),
        longest=int(lengths.max()),
        ids=tuple(str(plain(one)) for one in source.ids[:3]),
        id_name=source.id_name,
        channels=channels,
        times=_times(source),
        symbols=_symbols(source),
        options=tuple(_options(source, channels)),
    )


def _symbols(source: Source) -> tuple[str, ...] | None:
    if not source.ragged.is_tokens:
        return None
    if source.vocabulary is not None:
        return source.vocabulary
    return tuple(map(str, np.unique(to_numpy(source.ragged.values)[source.ragged.step_indices()])))


def _channels(source: Source) -> list[Channel]:
    sequences: Ragged = source.ragged
    rows = slice(None) if sequences.is_compact() else sequences.step_indices()
    found = []
    for k, name in enumerate(source.channel_names):
        values = np.asarray(to_numpy(sequences.values)[:, k][rows], np.float64)
        observed = values if sequences.observed is None else values[to_numpy(sequences.observed)[:, k][rows]]
        if not len(observed):
            found.append(Channel(name, np.nan, np.nan, np.nan, len(values), 0))
            continue
        low, first, median, third, high = np.quantile(observed, [0, 0.25, 0.5, 0.75, 1])
        reach = FAR * (third - first)
        is_far = (observed < first - reach) | (observed > third + reach) if reach else np.zeros(1, bool)
        n_missing = len(values) - len(observed)
        found.append(Channel(name, float(low), float(median), float(high), n_missing, int(is_far.sum())))
    return found


def _times(source: Source) -> Times | None:
    if source.times is None:
        return None
    sequences = source.ragged
    times = source.times[sequences.step_indices()]
    steps = np.diff(times)[sequences.step_numbers()[1:] > 0]
    first, last = times.min(), times.max()
    if not len(steps):
        return Times(_moment(first), _moment(last), "", 0)
    usual = np.sort(steps)[(len(steps) - 1) // 2]
    return Times(_moment(first), _moment(last), _duration(usual), int((steps > 1.5 * usual).sum()))


def _moment(time: np.generic) -> str:
    """A time without a fraction of zeros."""
    return re.sub(r"\.0+$", "", str(plain(time))).replace("T", " ")


def _duration(step: np.generic) -> str:
    """A difference of times; dates in the largest unit that is whole enough."""
    if not isinstance(step, np.timedelta64):
        return f"{float(np.float64(step)):g}"
    seconds = float(step / np.timedelta64(1, "s"))
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:g} {name}"
    return f"{seconds:g} s"


def _options(source: Source, channels: tuple[Channel, ...]) -> list[tuple[str, str]]:
    found = []
    if source.id_name == ORDINAL and len(source) == 1:
        found.append(("--id COLUMN", "if the rows are of several sequences"))
    if source.time_name is None and not source.ragged.is_tokens:
        found.append(("--time COLUMN", "if a column tells when; then gaps are known, and results have times"))
    constant = [channel.name for channel in channels if channel.note]
    if constant:
        others = [channel.name for channel in channels if not channel.note]
        shown = ",".join(others[:6]) + (",..." if len(others) > 6 else "")
        found.append((f"--channels {shown or 'A,B,...'}", f"leaves out what does not vary: {', '.join(constant[:6])}"))
    if any(channel.n_outliers for channel in channels):
        found.append(("--na VALUE", "if far values only mark what is missing"))
    return found
