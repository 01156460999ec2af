"""The times of rows: numbers, dates, dates as text in the forms that files have, and what a clock shows."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataWarning, InvalidParameter, InvalidSequence
from .grouping import Grouping, check_increasing, decoded, is_increasing, refuse_missing
from .source import Layout

if TYPE_CHECKING:
    import pyarrow as pa

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NAME = r"[A-Za-zäéû]{3,9}\.?"
_CLOCK = (
    r"(?P<H>\d{1,2})(?:[:.](?P<M>\d{2})(?:[:.](?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?\s*(?P<p>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<z>Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?"
)
_CLOCK_ALONE = _CLOCK.replace(r"(?:[:.](?P<M>", r"(?:[:](?P<M>", 1)
_DATES = (
    r"(?P<Y>\d{4})[-/.](?P<m>\d{1,2})(?:[-/.](?P<d>\d{1,2}))?",
    r"(?P<Y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",
    r"(?P<Y>\d{4})\s*[-:]?\s*[Qq](?P<q>[1-4])",
    r"[Qq](?P<q>[1-4])[-/\s]+(?P<Y>\d{4})",
    r"(?P<Y>\d{4})-?W(?P<w>\d{2})",
    rf"(?:{_NAME},?\s+)?(?P<d>\d{{1,2}})[-\s/.]*(?P<b>{_NAME})[-\s/,.]*(?P<Y>\d{{4}}|\d{{2}})",
    rf"(?:{_NAME},?\s+)?(?P<b>{_NAME})\s+(?P<d>\d{{1,2}}),?\s+(?P<Y>\d{{4}})",
    rf"(?P<b>{_NAME})[-\s,]+(?P<Y>\d{{4}})",
    rf"(?P<Y>\d{{4}})[-\s]*(?P<b>{_NAME})(?:[-\s](?P<d>\d{{1,2}}))?",
    r"(?P<Y>\d{4})",
)
_AMBIGUOUS = r"(?P<one>\d{1,2})(?P<sep>[-/.])(?P<two>\d{1,2})[-/.](?P<Y>\d{4}|\d{2})"
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<Y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
    "j": r"(?P<j>\d{1,3})",
    "b": rf"(?P<b>{_NAME})",
    "B": rf"(?P<b>{_NAME})",
    "a": _NAME,
    "A": _NAME,
    "H": r"(?P<H>\d{1,2})",
    "I": r"(?P<H>\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "f": r"(?P<f>\d{1,9})",
    "p": r"(?P<p>[AaPp]\.?[Mm]\.?)",
    "z": r"(?P<z>Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)",
    "F": r"(?P<Y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})",
    "T": r"(?P<H>\d{1,2}):(?P<M>\d{1,2}):(?P<S>\d{1,2})",
    "%": "%",
}


@dataclass(frozen=True, eq=False, slots=True)
class Times:
    """values: (n_rows,) numbers, datetime64 (UTC where there was a zone) or timedelta64 of a clock; zone: its name.

    others: the same dates with day and month exchanged, where that can be meant as well; None where it cannot.
    """

    values: np.ndarray
    zone: str | None = None
    others: np.ndarray | None = None


def times_of(table: pa.Table, layout: Layout, grouping: Grouping) -> tuple[np.ndarray | None, str | None]:
    """The times of a table's rows, sequence after sequence, and the name of their zone; None without a time column.

    Raises InvalidSequence unless they strictly increase within each sequence.
    """
    if layout.time is None:
        return None, None
    name = layout.time
    column = decoded(table[name])
    refuse_missing(column, name)
    read = _read(column, name, layout.time_format)
    times = grouping.arrange(read.values)
    if read.others is not None:
        times = _chosen(times, grouping.arrange(read.others), grouping, f"column {name!r}")
    check_increasing(times, name, grouping)
    return times, read.zone


def is_form(time_format: str | None) -> bool:
    """Whether a time_format tells how text is written, rather than the unit of numbers."""
    return time_format is not None and time_format not in _UNITS


def _chosen(month_first: np.ndarray, day_first: np.ndarray, grouping: Grouping, where: str) -> np.ndarray:
    """Dates with the month first, unless they increase only with the day first."""
    is_day_first = not is_increasing(month_first, grouping) and is_increasing(day_first, grouping)
    _tell_order(where, is_day_first, month_first, day_first)
    return day_first if is_day_first else month_first


def _tell_order(where: str, is_day_first: bool, month_first: np.ndarray, day_first: np.ndarray) -> None:
    first, other = ("day", "month") if is_day_first else ("month", "day")
    order = "%m/%d/%Y" if is_day_first else "%d/%m/%Y"
    shown = (day_first if is_day_first else month_first)[0]
    warnings.warn(
        f"{where}: dates were read with the {first} first, so that the first one is {str(shown)[:10]}; if the {other} "
        f"comes first, pass time_format='{order}' or alike (--time-format)",
        DataWarning,
        stacklevel=2,
    )


def _read(column: pa.ChunkedArray, name: str, form: str | None) -> Times:
    import pyarrow as pa

    if form in _UNITS:
        return Times(_since_1970(column, name, form))
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if form is not None:
        text = column if is_text else column.cast(pa.large_string())
        return _parsed(text, name, _pattern_of(form), f"as {form!r} has it")
    if not is_text:
        return Times(_as_times(column, name), column.type.tz if pa.types.is_timestamp(column.type) else None)
    for zone in (None, "UTC"):
        for unit in ("us", "ns"):
            try:
                return Times(column.cast(pa.timestamp(unit, zone)).to_numpy(), zone)
            except pa.ArrowException:
                continue
    return _guessed(column, name)


def _guessed(column: pa.ChunkedArray, name: str) -> Times:
    """Dates in the first form that the first row has."""
    first = column[0].as_py()
    for date in (*_DATES, _AMBIGUOUS):
        pattern = rf"\s*{date}(?:[T\s,:]+{_CLOCK})?\s*"
        if re.fullmatch(pattern, first):
            return _parsed(column, name, pattern, "as the first row has it")
    if re.fullmatch(rf"\s*{_CLOCK_ALONE}\s*", first) and ":" in first:
        return _parsed(column, name, rf"\s*{_CLOCK_ALONE}\s*", "as the first row has it")
    return _parsed(column, name, "(?P<Y>x)", "such as 2026-01-31 12:00:00")


def _pattern_of(form: str) -> str:
    """The regular expression of a format of strptime."""
    parts, seen = [], ""
    for literal, directive in re.findall(r"([^%]+)|%(.)", form):
        if literal:
            parts.append(re.sub(r"(?:\\?\s)+", r"\\s+", re.escape(literal)))
        elif directive not in _DIRECTIVES:
            known = " ".join(f"%{letter}" for letter in _DIRECTIVES if letter != "%")
            raise InvalidParameter(
                f"time_format has %{directive}; known are {known}, and s, ms, us or ns for numbers since 1970",
                parameter="time_format",
            )
        else:
            parts.append(_DIRECTIVES[directive])
            seen += directive
    if not set(seen) & set("YyFHIT"):
        raise InvalidParameter(
            f"time_format must hold at least a year or an hour, such as '%d.%m.%Y %H:%M', got {form!r}",
            parameter="time_format",
        )
    pattern = "".join(parts)
    groups = re.findall(r"\(\?P<(\w+)>", pattern)
    if len(set(groups)) < len(groups):
        raise InvalidParameter(f"time_format names a part of the time twice: {form!r}", parameter="time_format")
    return rf"\s*{pattern}\s*"


def _parsed(column: pa.ChunkedArray, name: str, pattern: str, form: str) -> Times:
    """Text of one form, whose parts are named groups of the pattern."""
    import pyarrow.compute as pc

    parts = pc.extract_regex(column, f"^(?:{pattern})$").combine_chunks()  # pyright: ignore[reportAttributeAccessIssue]
    if parts.null_count:
        raise _no_date(column, name, int(np.argmax(parts.is_null().to_numpy(zero_copy_only=False))), form)
    texts = {field.name: parts.field(k) for k, field in enumerate(parts.type)}
    if "one" in texts:
        return _in_either_order(texts, column, name, form)
    return Times(_assembled(texts, column, name, form), _zone(texts, name))


def _in_either_order(texts: dict[str, pa.Array], column: pa.ChunkedArray, name: str, form: str) -> Times:
    """Dates such as 1/2/2026; with dots, 1.2.2026, the day comes first."""
    one, two = _numbers(texts["one"]), _numbers(texts["two"])
    orders: dict[str, dict[str, pa.Array]] = {
        "month": texts | {"m": texts["one"], "d": texts["two"]},
        "day": texts | {"m": texts["two"], "d": texts["one"]},
    }
    zone = _zone(texts, name)
    if texts["sep"][0].as_py() == ".":
        return Times(_assembled(orders["day"], column, name, form), zone)
    if one.max() > 12 and two.max() <= 12:
        times = _assembled(orders["day"], column, name, form)
        _tell_order(f"column {name!r}", True, times, times)
        return Times(times, zone)
    times = _assembled(orders["month"], column, name, form)
    is_either = two.max() <= 12 and bool((one != two).any())
    return Times(times, zone, _assembled(orders["day"], column, name, form) if is_either else None)


def _assembled(texts: dict[str, pa.Array], column: pa.ChunkedArray, name: str, form: str) -> np.ndarray:
    """datetime64 of the parts, or timedelta64 where they have no year. Raises InvalidSequence for 31 February."""
    n_rows = len(column)
    number = {key: _numbers(texts[key]) for key in "YmdjqwHMS" if key in texts}
    clock = _clock(number, texts, n_rows)
    if "Y" not in number:
        if not np.all(is_clock := _is_clock(number)):
            raise _no_date(column, name, int(np.argmin(is_clock)), form)
        return clock
    year, month = number["Y"], number.get("m", np.ones(n_rows, np.int64))
    is_short = year < 100
    year = np.where(is_short, year + np.where(year < 69, 2000, 1900), year)  # as POSIX has it
    if "b" in texts:
        month = _month_numbers(texts["b"])
    if "q" in number:
        month = 3 * number["q"] - 2
    day = np.where(number.get("d", np.zeros(n_rows, np.int64)) == 0, 1, number.get("d", np.ones(n_rows, np.int64)))
    is_valid = (month >= 1) & (month <= 12)
    months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("M8[M]")
    days = months.astype("M8[D]") + (day - 1)
    is_valid &= days.astype("M8[M]") == months
    is_valid &= _is_clock(number)
    if "j" in number:
        days = months.astype("M8[Y]").astype("M8[D]") + (number["j"] - 1)
    if "w" in number:
        fourth = months.astype("M8[Y]").astype("M8[D]") + 3  # 4 January lies in week 1
        days = fourth - (fourth.astype(np.int64) + 3) % 7 + 7 * (number["w"] - 1)
    if not is_valid.all():
        raise _no_date(column, name, int(np.argmin(is_valid)), form)
    return days.astype(f"M8[{np.datetime_data(clock.dtype)[0]}]") + clock


def _clock(number: dict[str, np.ndarray], texts: dict[str, pa.Array], n_rows: int) -> np.ndarray:
    """The time since midnight in UTC, as timedelta64."""
    zeros = np.zeros(n_rows, np.int64)
    hour = number.get("H", zeros)
    if "p" in texts:
        marks = np.array([(mark or "")[:1].lower() for mark in texts["p"].to_pylist()])
        hour = np.where(marks == "", hour, hour % 12 + 12 * (marks == "p"))
    seconds = hour * 3600 + number.get("M", zeros) * 60 + number.get("S", zeros)
    if "z" in texts:
        seconds = seconds - _offsets(texts["z"])
    digits = [text or "" for text in texts["f"].to_pylist()] if "f" in texts else []
    unit, n_digits = ("ns", 9) if max(map(len, digits), default=0) > 6 else ("us", 6)
    fraction = np.array([int(text.ljust(n_digits, "0") or 0) for text in digits], np.int64) if digits else zeros
    return (seconds * 10**n_digits + fraction).astype(f"m8[{unit}]")


def _is_clock(number: dict[str, np.ndarray]) -> np.ndarray | np.bool_:
    """Whether a clock shows such times; 24:00 is midnight, and a minute may have a leap second."""
    checks = [number[key] <= most for key, most in (("H", 24), ("M", 59), ("S", 60)) if key in number]
    return np.logical_and.reduce(checks) if checks else np.True_


def _offsets(zones: pa.Array) -> np.ndarray:
    """Seconds east of Greenwich of each row."""
    encoded = zones.dictionary_encode()
    known = [_offset(text) for text in encoded.dictionary.to_pylist()]
    return np.array(known or [0], np.int64)[encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)]


def _offset(text: str) -> int:
    if not text or text[0] not in "+-":
        return 0
    digits = text[1:].replace(":", "")
    return (1 if text[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60)


def _zone(texts: dict[str, pa.Array], name: str) -> str | None:
    if "z" not in texts:
        return None
    has_zone = np.array([bool(text) for text in texts["z"].to_pylist()])
    if has_zone.any() and not has_zone.all():
        row = int(np.argmin(has_zone == has_zone[0]))
        raise InvalidSequence(
            f"column {name!r}: row {row} has {'a' if has_zone[row] else 'no'} time zone, unlike row 0; "
            "write all times with their zone, or none"
        )
    return "UTC" if has_zone.any() else None


def _numbers(texts: pa.Array) -> np.ndarray:
    """(n_rows,) int64; 0 where a part is absent."""
    import pyarrow as pa
    import pyarrow.compute as pc

    filled = pc.if_else(pc.equal(texts, ""), "0", texts)  # pyright: ignore[reportAttributeAccessIssue]
    return filled.fill_null("0").cast(pa.int64()).to_numpy(zero_copy_only=False)


def _month_numbers(names: pa.Array) -> np.ndarray:
    """(n_rows,) the number of each month's name; 0 for what is none."""
    encoded = names.dictionary_encode()
    known = [text[:3].lower() for text in encoded.dictionary.to_pylist()]
    numbers = np.array([_MONTHS.index(text) + 1 if text in _MONTHS else 0 for text in known], np.int64)
    return numbers[encoded.indices.to_numpy(zero_copy_only=False)]


def _no_date(column: pa.ChunkedArray, name: str, row: int, form: str) -> InvalidSequence:
    text = repr(column[row].as_py())
    text = text if len(text) <= 40 else f"{text[:37]}..."
    return InvalidSequence(
        f"column {name!r}, row {row} is {text}, which is no date {form}; mend it, or tell how all are written with "
        "time_format='%d.%m.%Y %H:%M' or alike"
    )


def _since_1970(column: pa.ChunkedArray, name: str, unit: str) -> np.ndarray:
    """(n_rows,) datetime64 of numbers, which may be text."""
    import pyarrow as pa

    with suppress(pa.ArrowException):
        return column.cast(pa.int64()).to_numpy().astype(f"M8[{unit}]")
    try:
        numbers = column.cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise InvalidSequence(f"column {name!r} is no number; time_format={unit!r} is of numbers ({error})") from error
    return np.round(numbers * (10**9 / _UNITS[unit])).astype(np.int64).astype("M8[ns]")


def _as_times(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """Numbers, datetime64 (UTC where there is a zone), or timedelta64 of what a clock shows.

    Raises InvalidSequence for a column of anything else.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_time(kind):
        return column.cast(pa.time64("us")).cast(pa.int64()).to_numpy().astype("m8[us]")
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64()).to_numpy()
    is_ordered = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)
    times = column.to_numpy() if is_ordered else np.zeros(0, object)
    if times.dtype.kind not in "iufMm":
        raise InvalidSequence(f"column {name!r} holds {kind}; times must be numbers, dates or times of day")
    return times
