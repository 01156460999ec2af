"""Write a file whole or not at all, and change no other file."""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..errors import InvalidParameter

try:
    import fcntl
except ImportError:  # Windows: no locks, so stale files are left
    fcntl = None

STANDARD_OUTPUT = ("-", "/dev/stdout")
"""Names that mean standard output."""
_SUFFIX = ".tmp"
_FRESH_SECONDS = 10  # an empty file may be one that its writer has not locked yet
_REMEDIES = {
    errno.ENOSPC: "free some space, or choose another disk",
    errno.EDQUOT: "free some space, or choose another disk",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose another disk",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its symbolic links lead in a circle",
    errno.ENOENT: "choose a folder that exists",
    errno.ENOTDIR: "choose a folder that exists",
}


def is_standard_output(path: str | os.PathLike[str]) -> bool:
    """Whether a path means standard output."""
    return os.fspath(path) in STANDARD_OUTPUT


def reason_of(error: OSError) -> str:
    """The reason that writing failed, and how to mend it."""
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    remedy = _REMEDIES.get(error.errno or 0)
    return reason if remedy is None else f"{reason}; {remedy}"


@contextmanager
def refused(path: str | os.PathLike[str]) -> Iterator[None]:
    """In this context, what goes wrong with writing a path is an InvalidParameter that names it."""
    try:
        yield
    except OSError as error:
        raise InvalidParameter(f"cannot write {os.fspath(path)}: {reason_of(error)}") from error


def check_target(path: str | os.PathLike[str]) -> Path:
    """The path, if a file can be written there; called before the work whose result is written.

    Raises InvalidParameter for a folder that does not exist or may not be written to, for anything there that is not a
    regular file, and for a name that is too long.
    """
    problem = problem_with(path)
    if problem is not None:
        raise InvalidParameter(f"cannot write {os.fspath(path)}: {problem}")
    return Path(path).expanduser()


def problem_with(path: str | os.PathLike[str]) -> str | None:
    """Why path cannot be written; None if it can."""
    if is_standard_output(path):
        return None
    target = Path(path).expanduser()
    try:
        found = _found(target)
        if found is not None and stat.S_ISDIR(found.st_mode):
            return "it is a folder; name a file in it"
        if found is not None and not stat.S_ISREG(found.st_mode):
            return f"it is {_kind(found.st_mode)}, not a file; name a file, or - for standard output"
        if found is not None and not os.access(target, os.W_OK):
            return "the file is write-protected; remove it, or choose another name"
        real = _real(target)
        if not real.parent.is_dir():
            return f"there is no folder {real.parent}; make it first"
        _try_name(real)
    except PermissionError:
        return f"no permission to write in {target.parent}; choose another folder"
    except OSError as error:
        return reason_of(error)
    except ValueError as error:  # a NUL in the name
        return f"{error}; choose another name"
    return None


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A temporary file that becomes path when the block succeeds, and is removed otherwise.

    It lies beside path, under a unique name. A symbolic link at path is followed: its target is replaced. A replaced
    file keeps its mode. Temporary files of killed writers are removed.

    Raises OSError if it cannot be written.
    """
    if is_standard_output(path):
        buffer = io.BytesIO()
        yield buffer
        sys.stdout.buffer.write(buffer.getvalue())
        sys.stdout.buffer.flush()
        return
    target = _real(Path(path).expanduser())
    found = _found(target)
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"{target} is {_kind(found.st_mode)}, not a file")
    _remove_stale(target)
    temporary, file = _create(target)
    try:
        if found is not None:
            with suppress(OSError):
                os.chmod(temporary, stat.S_IMODE(found.st_mode))
        yield file
        file.flush()
        os.fsync(file.fileno())
        if fcntl is None:
            file.close()
        os.replace(temporary, target)  # still locked, so that nobody removes it as stale
        _sync_folder(target.parent)
    finally:
        with suppress(OSError):  # a full disk may raise again
            file.close()
        temporary.unlink(missing_ok=True)


def _real(target: Path) -> Path:
    """The path after symbolic links. Raises OSError for a circle of links."""
    if target.is_symlink():
        with suppress(FileNotFoundError):
            os.stat(target)
    return Path(os.path.realpath(target))


def _found(target: Path) -> os.stat_result | None:
    try:
        return os.stat(target)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def _prefix(target: Path) -> str:
    return f".{target.name[:40]}."


def _create(target: Path) -> tuple[Path, IO[bytes]]:
    """A new file beside target, locked while it is open."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    temporary = target.with_name(f"{_prefix(target)}{secrets.token_hex(8)}{_SUFFIX}")
    file = os.fdopen(os.open(temporary, flags, 0o666), "w+b")
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)  # waits for a moment at most: until another writer has looked at it
            os.utime(file.fileno(), (0, 0))  # no longer fresh: from here on, who finds it unlocked may remove it
    return temporary, file


def _try_name(target: Path) -> None:
    """Raise OSError unless target's folder accepts a new file with a name of the same length."""
    longest = os.pathconf(target.parent, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
    if len(os.fsencode(target.name)) > longest:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    temporary, file = _create(target)
    file.close()
    temporary.unlink()


def _remove_stale(target: Path) -> None:
    """Remove temporary files that killed writers of target left: those that nobody locks."""
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if re.fullmatch(re.escape(_prefix(target)) + "[0-9a-f]{16}" + re.escape(_SUFFIX), entry.name):
                with suppress(OSError):
                    _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # pyright: ignore[reportOptionalMemberAccess]
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and (found.st_size or time.time() - found.st_mtime > _FRESH_SECONDS):
            os.unlink(path)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Sync the folder, so that the new name survives a crash; skipped where a folder cannot be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
