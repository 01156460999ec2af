"""Files are written whole, beside what they replace; nothing but the file that was named is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seqae.errors import InvalidParameter
from seqae.storage import files
from seqae.storage.files import check_target, written_whole


def write(path: Path, data: bytes = b"new") -> None:
    with written_whole(path) as file:
        file.write(data)


def write_half(path: Path | str) -> None:
    with written_whole(path) as file:
        file.write(b"half")
        raise ZeroDivisionError


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        write_half(target)
    assert target.read_bytes() == b"old"
    write(target)
    assert target.read_bytes() == b"new"
    assert left_in(tmp_path) == ["x"]


def test_the_mode_is_kept_and_a_new_file_follows_the_umask(tmp_path: Path) -> None:
    target = tmp_path / "x"
    before = os.umask(0o027)
    try:
        write(target)
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o640
    target.chmod(0o600)
    write(target, b"newer")
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, target in (("link", "folder/x"), ("dangling", "folder/y")):
        (tmp_path / name).symlink_to(target)
        check_target(tmp_path / name)
        write(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / target).read_bytes() == b"new"
    assert left_in(tmp_path) == ["dangling", "folder", "link"]
    assert left_in(tmp_path / "folder") == ["x", "y"]


def test_a_planted_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    monkeypatch.setattr(files.secrets, "token_hex", lambda n: "0" * 2 * n)
    (tmp_path / f".x.{'0' * 16}.tmp").symlink_to("precious")
    with pytest.raises(FileExistsError):
        write(tmp_path / "x")
    assert (tmp_path / "precious").read_bytes() == b"precious"


KILLED = """
import os, sys
from seqae.storage.files import written_whole
with written_whole(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")
    result = subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    assert result.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    assert len(left_in(tmp_path)) == 2
    own = tmp_path / ".x.notes.tmp"
    own.write_bytes(b"mine")
    write(target)
    assert left_in(tmp_path) == [".x.notes.tmp", "x"]


def test_writers_of_one_name_do_not_disturb_each_other(tmp_path: Path) -> None:
    target = tmp_path / "x"
    contents = [bytes([k]) * 100_000 for k in range(4)]
    write(target, contents[0])
    problems: list[BaseException] = []

    def run(data: bytes) -> None:
        try:
            for _ in range(25):
                write(target, data)
                assert target.read_bytes() in contents
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=run, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert left_in(tmp_path) == ["x"]


def test_a_writer_waits_until_another_has_looked_at_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise its file would stay unlocked, and a third writer would remove it as stale."""
    fcntl = pytest.importorskip("fcntl")
    real_open, looks = os.open, []

    def open_and_look(path: Path, flags: int, *mode: int) -> int:
        made = real_open(path, flags, *mode)
        if flags & os.O_EXCL:
            other = real_open(path, os.O_RDWR)
            fcntl.flock(other, fcntl.LOCK_EX)
            looks.append(threading.Timer(0.05, os.close, [other]))
            looks[-1].start()
        return made

    monkeypatch.setattr(files.os, "open", open_and_look)
    with written_whole(tmp_path / "x") as file:
        file.write(b"new")
        file.flush()
        looks[-1].join()
        (temporary,) = tmp_path.iterdir()
        with temporary.open("r+b") as third, pytest.raises(BlockingIOError):
            fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)


def make_socket(path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


REFUSED = {
    "a folder": (lambda p: p.mkdir(), "it is a folder; name a file in it"),
    "a pipe": (os.mkfifo, "it is a pipe, not a file"),
    "a socket": (make_socket, "it is a socket, not a file"),
    "a link to a device": (lambda p: p.symlink_to(os.devnull), "it is a device, not a file"),
    "links in a circle": (lambda p: p.symlink_to(p), "symbolic links"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_regular_file_is_refused(tmp_path: Path, name: str) -> None:
    make, message = REFUSED[name]
    make(tmp_path / "x")
    before = os.lstat(tmp_path / "x")
    with pytest.raises(InvalidParameter, match=message):
        check_target(tmp_path / "x")
    with pytest.raises(OSError):
        write(tmp_path / "x")
    assert os.lstat(tmp_path / "x") == before
    assert left_in(tmp_path) == ["x"]


def test_names_and_folders_are_tried_at_the_start(tmp_path: Path) -> None:
    write(tmp_path / ("n" * 255))
    for target, message in (
        (tmp_path / ("n" * 256), "choose a shorter name"),
        (tmp_path / ("é" * 128), "choose a shorter name"),
        (tmp_path / "no" / "x", "there is no folder"),
        (tmp_path / ("n" * 255) / "x", "there is no folder"),
        (tmp_path / "a\0b", "choose another name"),
        (Path("/proc/x"), "cannot write /proc/x"),
        (Path(os.devnull), "it is a device"),
    ):
        with pytest.raises(InvalidParameter, match=message):
            check_target(target)
    assert left_in(tmp_path) == ["n" * 255]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_permissions_are_tried_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "x").touch(0o444)
    with pytest.raises(InvalidParameter, match="write-protected"):
        check_target(tmp_path / "x")
    tmp_path.chmod(0o500)
    with pytest.raises(InvalidParameter, match="no permission to write in"):
        check_target(tmp_path / "y")


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_has_two_names(name: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    check_target(name)
    write(Path(name))
    with pytest.raises(ZeroDivisionError):
        write_half(name)
    assert capfdbinary.readouterr().out == b"new"
