"""The bytes of a text file, and the line of an error in it."""

from __future__ import annotations

from pathlib import Path

from ..errors import UnreadableFile


def read_bytes(path: Path) -> bytes:
    """The whole file as UTF-8, without a byte order mark.

    Lines that end in a carriage return alone, as on old Macs, end in a line feed.

    Raises UnreadableFile if it is empty or cannot be UTF-8.
    """
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFile("is UTF-16, which starts with the bytes ff fe or fe ff; save it as UTF-8")
    if b"\0" in data[:1024]:
        at = data.index(b"\0")
        raise UnreadableFile(f"is no text: byte {at}, in line {line_of(data, at)}, is zero; save it as UTF-8 text")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")  # line ends of old Macs
    if not data.strip():
        raise UnreadableFile("is empty; write it again")
    return data


def decode(data: bytes) -> str:
    """The text of UTF-8 bytes. Raises UnreadableFile naming the first invalid byte and its line."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UnreadableFile(
            f"line {line_of(data, error.start)} is not UTF-8: byte {error.start} of the file is "
            f"{data[error.start]:#04x} (in Latin-1, {chr(data[error.start])!r}); save it as UTF-8"
        ) from error


def line_of(data: bytes, position: int) -> int:
    """The line number, from 1, of a byte."""
    return data.count(b"\n", 0, position) + 1
