"""The .ts format of sktime and aeon: a header of @tags, then one sequence per line.

    @classLabel true a b
    @data
    1.0,2.0,3.0:4.0,5.0,?:a

Channels are separated by colons, the steps of a channel by commas; ? is missing; the label at the end is not read.
Format: https://www.sktime.net/en/stable/api_reference/file_specifications/ts.html
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import UnreadableFile
from .source import Layout, Source, source_of_arrays
from .text import decode, read_bytes

_COMMENTS = ("#", "%")


def read_ts(path: Path, layout: Layout) -> Source:
    """The sequences of a .ts file; their class labels and targets are left out.

    Raises UnreadableFile naming the line that breaks the format.
    """
    lines = decode(read_bytes(path)).splitlines()
    tags, first = _header(lines)
    if tags.get("timestamps") == "true":
        raise UnreadableFile("has @timeStamps true; only evenly spaced values are read: export them without times")
    is_labelled = "true" in (tags.get("classlabel"), tags.get("targetlabel"))
    numbered = [
        (number, line)
        for number, line in enumerate(lines[first:], first + 1)
        if line.strip() and not line.lstrip().startswith(_COMMENTS)
    ]
    if not numbered:
        raise UnreadableFile("has no sequences after @data")
    return source_of_arrays([_sequence(line, number, is_labelled) for number, line in numbered], layout)


def _header(lines: list[str]) -> tuple[dict[str, str], int]:
    """The first word of each tag, in lower case, and the index of the line that follows @data."""
    tags: dict[str, str] = {}
    for index, line in enumerate(lines):
        words = line.strip().lower().split()
        if not words or words[0].startswith(_COMMENTS):
            continue
        if words[0] == "@data":
            return tags, index + 1
        if not words[0].startswith("@"):
            raise UnreadableFile(f"line {index + 1} must be a tag such as @classLabel, got {line.strip()[:40]!r}")
        tags[words[0][1:]] = words[1] if len(words) > 1 else ""
    raise UnreadableFile("has no @data line; a .ts file has its sequences below one")


def _sequence(line: str, number: int, is_labelled: bool) -> np.ndarray:
    """One line as (n_steps, n_channels)."""
    channels = line.strip().split(":")
    if is_labelled:
        channels.pop()
    if not channels:
        raise UnreadableFile(f"line {number} has no channel besides its label")
    return matrix_of(channels, number)


def matrix_of(channels: list[str], number: int) -> np.ndarray:
    """Channels, each with commas between its steps, as (n_steps, n_channels). number: of the line, for messages."""
    columns = [_numbers(channel, number) for channel in channels]
    lengths = sorted({len(column) for column in columns})
    if len(lengths) > 1:
        raise UnreadableFile(f"line {number} has channels of {lengths[0]} and of {lengths[-1]} steps; mend that line")
    return np.array(columns).T


def _numbers(channel: str, number: int) -> list[float]:
    try:
        return [float(value) for value in channel.replace("?", "nan").split(",")]
    except ValueError as error:
        raise UnreadableFile(f"line {number}: {error}; values are numbers, or ? where missing") from error
