"""TSF of the Monash archive: one series per line, below a header of @tags.

Format: https://forecastingdata.org
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from ..errors import InvalidParameter, UnreadableFile
from .source import Layout, Source, source_of_arrays
from .text import decode, read_bytes
from .ts import matrix_of

_STEPS = {
    "yearly": (12, "M"), "quarterly": (3, "M"), "monthly": (1, "M"), "weekly": (7, "D"), "daily": (1, "D"),
    "hourly": (60, "m"), "half_hourly": (30, "m"), "10_minutes": (10, "m"), "minutely": (1, "m"), "4_seconds": (4, "s"),
}  # fmt: skip


def read_tsf(path: Path, layout: Layout) -> Source:
    """Its series, with their names as ids, and times from start and frequency where these are told."""
    if layout.time is not None or layout.wide:
        raise InvalidParameter("a .tsf file has times of its own; leave time= and wide= out", parameter="time")
    lines = decode(read_bytes(path)).splitlines()
    names, tags, first = _header(lines)
    parts, starts, ids = [], [], []
    for number, line in enumerate(lines[first:], first + 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.strip().split(":")
        if len(fields) != len(names) + 1:
            raise UnreadableFile(f"line {number} must have {len(names) + 1} fields, got {len(fields)}; mend that line")
        told = dict(zip(names, fields[:-1], strict=True))
        ids.append(told.get("series_name", str(len(ids))))
        starts.append(_start(told.get("start_timestamp"), number))
        parts.append(matrix_of([fields[-1]], number))
    if not parts:
        raise UnreadableFile("has no series after @data")
    source = replace(
        source_of_arrays(parts, replace(layout, id=None)), ids=np.array(ids, object), id_name=layout.id or "series_name"
    )
    step = _STEPS.get(tags.get("frequency", ""))
    if step is None or None in starts:
        return source
    times = [_times(start, len(part), *step) for start, part in zip(starts, parts, strict=True) if start is not None]
    return replace(source, times=np.concatenate(times), time_name="time")


def _header(lines: list[str]) -> tuple[list[str], dict[str, str], int]:
    names, tags = [], {}
    for index, line in enumerate(lines):
        words = line.strip().split()
        if not words or words[0].startswith("#"):
            continue
        tag = words[0].lower()
        if tag == "@data":
            return names, tags, index + 1
        if not tag.startswith("@"):
            raise UnreadableFile(f"line {index + 1} must be a tag such as @attribute, got {line.strip()[:40]!r}")
        if tag == "@attribute" and len(words) > 1:
            names.append(words[1])
        else:
            tags[tag[1:]] = words[1].lower() if len(words) > 1 else ""
    raise UnreadableFile("has no @data line; a .tsf file has its series below one")


def _start(text: str | None, number: int) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %H-%M-%S")
    except ValueError as error:
        raise UnreadableFile(
            f"line {number} starts at {text!r}, which is no time such as 1979-01-01 00-00-00"
        ) from error


def _times(start: datetime, n_steps: int, step: int, unit: str) -> np.ndarray:
    """(n_steps,) datetime64[s]."""
    moment = np.datetime64(start, "s")
    if unit != "M":
        return moment + np.arange(n_steps) * np.timedelta64(step, unit)
    months = moment.astype("M8[M]")
    within = moment - months.astype("M8[s]")
    return (months + np.arange(n_steps) * step).astype("M8[s]") + within
