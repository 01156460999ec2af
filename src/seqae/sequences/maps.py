"""Memory maps: what the system is told of how they are read, and what happens when their file shrinks."""

from __future__ import annotations

import mmap
from contextlib import suppress

import numpy as np

from ..errors import UnreadableFile


def mapping_of(array: object) -> mmap.mmap | None:
    """The memory map that an array's values lie in; None if they lie in memory of their own."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None


def advise_random(mapping: mmap.mmap | None) -> None:
    """Tell the system that rows are read here and there, so that it does not read what lies around them."""
    if mapping is not None:
        with suppress(AttributeError, OSError, ValueError):  # Windows knows no such advice
            mapping.madvise(mmap.MADV_RANDOM)


def advise_sequential(mapping: mmap.mmap | None) -> None:
    """Tell the system that rows are read from first to last, so that it reads ahead."""
    if mapping is not None:
        with suppress(AttributeError, OSError, ValueError):
            mapping.madvise(mmap.MADV_SEQUENTIAL)


def check_whole(mapping: mmap.mmap | None) -> None:
    """Raise UnreadableFile if the file of a map was cut short: reading beyond its end would kill the process."""
    if mapping is None:
        return
    try:
        size = mapping.size()
    except (OSError, ValueError):  # a map of no file
        return
    if size < len(mapping):
        raise UnreadableFile(
            f"the file of a memory map was cut from {len(mapping)} to {size} bytes while it was read; write it again, "
            "and leave it as it is until the work is done"
        )
