"""Which files a path means: one, those of a folder, or those that a pattern names."""

from __future__ import annotations

import difflib
import glob
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import UnreadableFile

STANDARD_INPUT = "-"
_ADDRESS = re.compile(r"([a-z][a-z0-9+.]+)://?.", re.IGNORECASE)
_STANDARD_INPUTS = (STANDARD_INPUT, "/dev/stdin", "/dev/fd/0")

Origin = str | os.PathLike[str]
"""A path, an address such as s3://bucket/x.parquet, or "-" for standard input."""


def is_standard_input(origin: Origin) -> bool:
    """Whether it is - or /dev/stdin."""
    return os.fspath(origin) in _STANDARD_INPUTS


def is_address(origin: Origin) -> bool:
    """Whether it is the address of something elsewhere, such as https://example.com/x.csv."""
    return _ADDRESS.match(os.fspath(origin)) is not None


def kind_of(name: str) -> str:
    """What a file's name ends in, such as csv, in lower case and without the ending of a compression."""
    stem = name.lower()
    for ending in COMPRESSED:
        stem = stem.removesuffix(ending)
    stem, dot, kind = stem.rpartition(".")
    return kind if stem and dot else ""


COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""What is taken off a name to find its kind."""


def expanded(origins: Sequence[Origin], is_known: Callable[[str], bool]) -> list[Origin]:
    """The files that are meant, with those of folders and patterns in the order of their names, part-2 before part-10.

    is_known: whether a file of such a name can be read; in a folder, others are left out.

    Raises UnreadableFile for a folder without such files or with several kinds of them, and for a pattern of none.
    """
    found: list[Origin] = []
    for origin in origins:
        path = os.path.expanduser(os.fspath(origin))
        if is_standard_input(origin) or is_address(origin):
            found.append(origin)
        elif os.path.isdir(path):
            found += _of_folder(Path(path), is_known)
        elif any(sign in path for sign in "*?[") and not os.path.exists(path):
            matches = sorted(filter(os.path.isfile, glob.glob(path, recursive=True)), key=_natural)
            if not matches:
                raise UnreadableFile(f"{path}: no file is named so; check the pattern, or the folder it starts from")
            found += matches
        else:
            found.append(origin)
    return found


def check_exists(path: Path) -> None:
    """Raise UnreadableFile unless there is a file that is not empty."""
    if not path.exists():
        if not path.parent.is_dir():
            raise UnreadableFile(f"there is no such file, nor a folder {path.parent}; check the path")
        near = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
        raise UnreadableFile(
            f"there is no such file; did you mean {near[0]}?" if near else "there is no such file; check the path"
        )
    mode = path.stat().st_mode
    if stat.S_ISFIFO(mode):
        return
    if not stat.S_ISREG(mode):
        raise UnreadableFile("is a device; save the data to a file first, with the extension of its kind")
    if path.stat().st_size == 0:
        raise UnreadableFile("is empty; write it again")


def _of_folder(folder: Path, is_known: Callable[[str], bool]) -> list[Origin]:
    files = [file for file in folder.rglob("*") if is_known(file.name) and not _is_hidden(file.relative_to(folder))]
    if not files:
        raise UnreadableFile(f"{folder}: is a folder without data files; name a folder that has some, or a file")
    kinds = Counter(kind_of(file.name) for file in files)
    if len(kinds) > 1:
        shown = ", ".join(f"{count} .{kind}" for kind, count in kinds.most_common())
        raise UnreadableFile(
            f"{folder}: is a folder with files of several kinds ({shown}); choose one with a pattern such as "
            f"{folder / f'*.{kinds.most_common(1)[0][0]}'}"
        )
    return [*sorted(files, key=lambda file: _natural(str(file)))]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _natural(path: str) -> list[tuple[int, str]]:
    """Sorts numbers in names by their size."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]
