"""How a text table is written: its delimiter, header, comments, units and decimal sign, told from its first lines."""

from __future__ import annotations

import csv
import re
import warnings
from dataclasses import dataclass
from typing import Literal

from ..errors import DataWarning, InvalidParameter, UnreadableFile
from .source import Layout
from .text import decode

SAMPLE_LINES = 200
BLANKS = " "
"""The delimiter that is any run of spaces and tabs."""
MISSING = ("", "?", "-", "--", ".", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "none")
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*|\s*[-+]?(inf|infinity|nan)\s*", re.ASCII | re.I)
_COMMA_NUMBER = re.compile(r"\s*[-+]?\d+,\d+\s*", re.ASCII)
_DATE = re.compile(r"\s*\d[-\d/.: T]*\s*", re.ASCII)
_COMMENT = re.compile(rb"^[ \t]*[#%].*$", re.M)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The answers.

    delimiter: one sign, or BLANKS. decimal: the sign before fractions. names: of the columns, in their order.
    has_header: whether the names stand in the first line. n_before: lines above the table. units: whether the line
    after the header tells units.
    """

    delimiter: str
    decimal: Literal[".", ","]
    names: tuple[str, ...]
    has_header: bool
    n_before: int = 0
    has_units: bool = False


def dialect_of(data: bytes, layout: Layout) -> tuple[Dialect, bytes]:
    """How a table is written, and the table from its first line on, with comments left empty.

    Raises UnreadableFile where the first line is no header, InvalidParameter for names that do not fit.
    """
    lines, n_before, told = _top(data)
    if not lines:
        raise UnreadableFile("has comments only; write it again")
    delimiter = told or _delimiter(lines)
    rows = _rows(lines, delimiter, n_before)
    has_header = layout.header and layout.names is None
    header_in_comment = has_header and _named_by_comment(data, n_before, rows, delimiter)
    if header_in_comment:
        n_before -= 1
        rows = [header_in_comment, *rows]
    dialect = Dialect(delimiter, _decimal(rows, delimiter, layout), _names(rows, layout), has_header, n_before)
    dialect = Dialect(*_fields(dialect), has_units=has_header and layout.symbols is None and _is_units(rows, dialect))
    if has_header:
        _check_header(rows[0], layout)
    if dialect.has_units:
        shown = ", ".join(field.strip() for field in rows[1][:4]) + (", ..." if len(rows[1]) > 4 else "")
        warnings.warn(f"line {n_before + 2} was read as units ({shown})", DataWarning, stacklevel=2)
    return dialect, _table(data, dialect, is_commented=bool(header_in_comment))


def _rows(lines: list[str], delimiter: str, n_before: int) -> list[list[str]]:
    """The fields of each row; a row may go over several lines."""
    if delimiter == BLANKS:
        return [line.split() for line in lines]
    reader, rows = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter), []
    try:
        rows.extend(reader)
    except csv.Error as error:
        what = "cannot be read" if rows else "must name the columns"
        raise UnreadableFile(f"line {n_before + reader.line_num} {what}; mend it ({error})") from error
    return rows[:-1] if len(lines) == SAMPLE_LINES and len(rows) > 1 else rows  # the last may be cut


def is_number(text: str, decimal: str = ".") -> bool:
    """Whether it is a number as files spell them: Python also takes 1_000 and full-width digits."""
    return _NUMBER.fullmatch(text.replace(",", ".") if decimal == "," else text) is not None


def _fields(dialect: Dialect) -> tuple[str, Literal[".", ","], tuple[str, ...], bool, int]:
    return dialect.delimiter, dialect.decimal, dialect.names, dialect.has_header, dialect.n_before


def _top(data: bytes) -> tuple[list[str], int, str | None]:
    """Some lines from the first that is no comment on, how many stand before it, and what `sep=;` tells."""
    lines: list[str] = []
    n_before, told, start = 0, None, 0
    while start < len(data) and len(lines) < SAMPLE_LINES:
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        line = data[start:end]
        start = end + 1
        is_sep = not lines and told is None and line.lower().startswith(b"sep=") and len(line.strip()) == 5
        if is_sep:
            told = chr(line.strip()[4])
        is_comment = line.lstrip().startswith((b"#", b"%"))
        if is_sep or (not lines and (is_comment or not line.strip())):
            n_before += 1
        elif line.strip() and not is_comment:
            lines.append(_decoded(line, data, start).removesuffix("\r"))
    return lines, n_before, told


def _decoded(line: bytes, data: bytes, start: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        decode(data)  # names the line in the whole file
        raise


def _delimiter(lines: list[str]) -> str:
    """The sign that occurs equally often in all lines, outside of quotes; else most often in the first; else blanks."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    for sign in ";\t|,":
        counts = {line.count(sign) for line in bare}
        if len(counts) == 1 and counts.pop():
            return sign
    if any(sign in bare[0] for sign in ",;\t|"):
        return max(",;\t|", key=bare[0].count)
    counts = {len(line.split()) for line in bare}
    return BLANKS if len(counts) == 1 and counts.pop() > 1 else ","


def _named_by_comment(data: bytes, n_before: int, rows: list[list[str]], delimiter: str) -> list[str]:
    """The names in the comment above a table of numbers, as NumPy writes them; empty if there are none."""
    if not n_before or not all(map(is_number, rows[0])):
        return []
    comment = data.split(b"\n", n_before)[n_before - 1].decode(errors="replace").strip()
    told = _rows([comment.lstrip("#% \t")], delimiter, n_before - 1)[0] if comment else []
    fields = [field.strip() for field in told]
    is_header = comment.startswith(("#", "%")) and len(fields) == len(rows[0]) and not any(map(is_number, fields))
    return fields if is_header else []


def _decimal(rows: list[list[str]], delimiter: str, layout: Layout) -> Literal[".", ","]:
    if layout.decimal is not None:
        return layout.decimal
    fields = [field for row in rows for field in row]
    has_commas = any(_COMMA_NUMBER.fullmatch(field) for field in fields)
    has_points = any(re.fullmatch(r"\s*[-+]?\d+\.\d+\s*", field, re.ASCII) for field in fields)
    return "," if delimiter == ";" and has_commas and not has_points else "."


def _names(rows: list[list[str]], layout: Layout) -> tuple[str, ...]:
    n_columns = len(rows[0])
    if layout.names is not None:
        if len(layout.names) != n_columns:
            raise InvalidParameter(
                f"names has {len(layout.names)} names, but line 1 has {n_columns} fields; name every column",
                parameter="names",
            )
        return layout.names
    if not layout.header:
        return tuple(f"c{k}" for k in range(n_columns))
    names = tuple(name.strip() for name in rows[0])
    has_open_end = len(rows) > 1 and all(len(row) == n_columns + 1 and not row[-1].strip() for row in rows[1:])
    return (*names, "") if has_open_end else names


def _is_units(rows: list[list[str]], dialect: Dialect) -> bool:
    """Whether the second line holds words above columns of numbers."""
    if len(rows) < 3:
        return False
    second, others = rows[1], rows[2:]
    words = [k for k, field in enumerate(second) if field.strip() not in MISSING]
    filled = [field for field in second if field.strip()]
    if not words or any(is_number(field, dialect.decimal) or _DATE.fullmatch(field) for field in filled):
        return False
    return any(
        all(len(row) > k and (row[k].strip() in MISSING or is_number(row[k], dialect.decimal)) for row in others)
        and any(is_number(row[k], dialect.decimal) for row in others)
        for k in words
    )


def _check_header(header: list[str], layout: Layout) -> None:
    """A first line of measurements would be lost as names; only columns that are numbered in order have such names.

    They are numbered from 0, as pandas numbers them, or, where they are the steps of a wide table, from any number.
    """
    try:
        numbers = [float(name) for name in header if name not in (layout.id, layout.time)]
    except ValueError:
        return
    is_numbered = len(numbers) > 1 and numbers == [numbers[0] + k for k in range(len(numbers))]
    if not (is_numbered and (layout.wide or numbers[0] == 0)):
        shown = ", ".join(header[:4]) + (", ..." if len(header) > 4 else "")
        raise UnreadableFile(
            f"line 1 must name the columns, got the numbers {shown}; pass header=False if the file has no "
            "names, or put a line of names above it",
            parameter="header",
        )


def _table(data: bytes, dialect: Dialect, *, is_commented: bool) -> bytes:
    """From the table's first line on, in tabs where it had blanks; comments become empty lines."""
    body = data.split(b"\n", dialect.n_before)[-1] if dialect.n_before else data
    if is_commented:
        body = body.lstrip().lstrip(b"#% \t")
    elif dialect.n_before and (data.lstrip().startswith((b"#", b"%"))) and _COMMENT.search(body):
        body = _COMMENT.sub(b"", body)
    elif body.find(b"\n#") >= 0 or body.find(b"\n%") >= 0:
        body = _without_odd_comments(body, dialect)
    body = _without_empty_end(body, dialect.delimiter)
    if dialect.delimiter != BLANKS:
        return body
    if b'"' in body:
        raise UnreadableFile("has quotes between blanks; write it with commas or tabs between its fields")
    return re.sub(rb"[ \t]+", b"\t", re.sub(rb"^[ \t]+|[ \t]+(?=\r?$)", b"", body, flags=re.M))


def _without_empty_end(body: bytes, delimiter: str) -> bytes:
    """Without lines of nothing but delimiters at the end, as spreadsheets leave."""
    last = len(body.rstrip(delimiter.encode() + b" \t\r\n"))
    end = body.find(b"\n", last)
    return body if end < 0 else body[: end + 1]


def _without_odd_comments(body: bytes, dialect: Dialect) -> bytes:
    """Lines that start as comments are comments if they have another number of fields; else they may be data."""
    delimiter = dialect.delimiter.encode()

    def kept(match: re.Match[bytes]) -> bytes:
        n_fields = len(match[0].split()) if delimiter == b" " else match[0].count(delimiter) + 1
        return match[0] if n_fields == len(dialect.names) else b""

    return _COMMENT.sub(kept, body)
