"""Times as files write them; the oracle is Python's own datetime."""

from __future__ import annotations

import datetime as dt
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae import read
from seqae.errors import DataWarning, InvalidParameter, InvalidSequence, SeqaeError

UTC = dt.UTC


def day(year: int, month: int = 1, number: int = 1, hour: int = 0, minute: int = 0, second: int = 0) -> dt.datetime:
    return dt.datetime(year, month, number, hour, minute, second)


# what stands in two rows, and the times that they mean
FORMS: dict[str, tuple[list[str], list[dt.datetime]]] = {
    "a zone without a colon": (
        ["2026-01-01 00:00:00 +0200", "2026-01-01 00:00:00 +0100"],
        [day(2025, 12, 31, 22), day(2025, 12, 31, 23)],
    ),
    "a named zone": (["2026-01-01 00:00:00 UTC", "2026-01-01 00:00:01 UTC"], [day(2026), day(2026, second=1)]),
    "dots": (["01.02.2026", "02.02.2026"], [day(2026, 2, 1), day(2026, 2, 2)]),
    "dots and a clock": (["31.12.2025 23:59", "01.01.2026 00:00"], [day(2025, 12, 31, 23, 59), day(2026)]),
    "months": (["2025-12", "2026-01"], [day(2025, 12), day(2026)]),
    "months by name": (["Dec 1949", "Jan 1950"], [day(1949, 12), day(1950)]),
    "quarters": (["1970 Q4", "1971 Q1"], [day(1970, 10), day(1971)]),
    "quarters first": (["Q4 1970", "Q1 1971"], [day(1970, 10), day(1971)]),
    "quarters without a space": (["1970Q4", "1971Q1"], [day(1970, 10), day(1971)]),
    "weeks": (["2020-W53", "2021-W01"], [day(2020, 12, 28), day(2021, 1, 4)]),
    "half days": (["01/31/2026 11:00 AM", "01/31/2026 12:05 PM"], [day(2026, 1, 31, 11), day(2026, 1, 31, 12, 5)]),
    "midnight of a half day": (
        ["01/31/2026 12:00 AM", "01/31/2026 1:00 a.m."],
        [day(2026, 1, 31), day(2026, 1, 31, 1)],
    ),
    "slashes": (["2026/01/31", "2026/02/01"], [day(2026, 1, 31), day(2026, 2, 1)]),
    "names of months": (["31 Jan 2026", "1 Feb 2026"], [day(2026, 1, 31), day(2026, 2, 1)]),
    "names of months first": (["January 31, 2026", "February 1, 2026"], [day(2026, 1, 31), day(2026, 2, 1)]),
    "names of months between dashes": (["31-JAN-99", "01-FEB-99"], [day(1999, 1, 31), day(1999, 2, 1)]),
    "a weekday": (
        ["Sat, 31 Jan 2026 10:00:00 GMT", "Sun, 01 Feb 2026 10:00:00 GMT"],
        [day(2026, 1, 31, 10), day(2026, 2, 1, 10)],
    ),
    "a web server": (
        ["10/Oct/2000:13:55:36 -0700", "10/Oct/2000:13:55:37 -0700"],
        [day(2000, 10, 10, 20, 55, 36), day(2000, 10, 10, 20, 55, 37)],
    ),
    "comma before milliseconds": (
        ["2026-01-01 00:00:00,123", "2026-01-01 00:00:01,5"],
        [day(2026).replace(microsecond=123_000), day(2026, second=1).replace(microsecond=500_000)],
    ),
    "one digit": (["2026-1-9 7:05", "2026-1-10 17:05"], [day(2026, 1, 9, 7, 5), day(2026, 1, 10, 17, 5)]),
    "a clock with dots": (
        ["31.12.2025 18.00.00", "31.12.2025 19.00.00"],
        [day(2025, 12, 31, 18), day(2025, 12, 31, 19)],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_dates_as_text_are_read_from_everywhere(tmp_path: Path, name: str) -> None:
    texts, expected = FORMS[name]
    frame = pd.DataFrame({"t": texts, "x": [1.0, 2.0]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_json(tmp_path / "x.jsonl", orient="records", lines=True)
    for X in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame), *sorted(tmp_path.iterdir())):
        times = read(X, time="t").times
        assert times.astype("M8[us]").tolist() == expected


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["20260131", "20260201"], "%Y%m%d"),
        (["2026031", "2026032"], "%Y%j"),
        (["31/01/26 10h", "01/02/26 09h"], "%d/%m/%y %Hh"),
        (["Jan 31 10:00:01.5 2026", "Feb 01 09:00:00.25 2026"], "%b %d %H:%M:%S.%f %Y"),
    ],
)
def test_a_format_that_is_told(tmp_path: Path, texts: list[str], form: str) -> None:
    frame = pd.DataFrame({"t": texts, "x": [1.0, 2.0]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    for X in (frame, tmp_path / "x.csv"):
        expected = [dt.datetime.strptime(text, form) for text in texts]
        assert read(X, time="t", time_format=form).times.astype("M8[us]").tolist() == expected


@given(st.lists(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2068, 12, 31)), min_size=2, max_size=9, unique=True))
def test_any_date_in_any_of_these_forms(moments: list[dt.datetime]) -> None:
    moments = sorted(moment.replace(microsecond=0) for moment in moments)
    moments = [moment for moment, other in zip(moments, [*moments[1:], None], strict=True) if moment != other]
    values = [1.0] * len(moments)
    for form in ("%d.%m.%Y %H:%M:%S", "%b %d, %Y %I:%M:%S %p", "%y%m%d %H%M%S", "%d-%b-%Y %H:%M:%S"):
        frame = {"t": [moment.strftime(form) for moment in moments], "x": values}
        for told in (form, None) if form != "%y%m%d %H%M%S" else (form,):
            told = "%y%m%d %H%M%S" if told == form and "%y" in form else told
            found = read(pa.table(frame), time="t", time_format=told).times
            assert found.astype("M8[s]").tolist() == moments


def test_day_first_where_nothing_else_fits_and_said_so() -> None:
    def times(*texts: str) -> list[dt.date]:
        return read(pd.DataFrame({"t": texts, "x": [1.0] * len(texts)}), time="t").times.astype("M8[D]").tolist()

    with pytest.warns(DataWarning, match=r"the day first, .* 2026-02-01; if the month .*time_format='%m/%d/%Y'"):
        assert times("01/02/2026", "13/02/2026") == [dt.date(2026, 2, 1), dt.date(2026, 2, 13)]
    with pytest.warns(DataWarning, match="the day first"):
        assert times("11/02/2026", "10/03/2026") == [dt.date(2026, 2, 11), dt.date(2026, 3, 10)]
    with pytest.warns(DataWarning, match=r"the month first, .* 2026-01-02; if the day .*time_format='%d/%m/%Y'"):
        assert times("01/02/2026", "02/02/2026") == [dt.date(2026, 1, 2), dt.date(2026, 2, 2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert times("12/31/2025", "01/01/2026") == [dt.date(2025, 12, 31), dt.date(2026, 1, 1)]


def test_dates_and_times_in_columns_of_their_own(tmp_path: Path) -> None:
    expected = [day(2004, 3, 10, 18), day(2004, 3, 10, 19)]
    (tmp_path / "a.csv").write_text("Date;Time;x\n10/03/2004;18.00.00;1\n10/03/2004;19.00.00;2\n")
    (tmp_path / "b.csv").write_text("x,Date,Time\n1,2004-03-10,18:00:00\n2,2004-03-10,19:00:00\n")
    (tmp_path / "c.csv").write_text("Date,Time,x\n2004-03-10,18,1\n2004-03-10,19,2\n")
    (tmp_path / "d.csv").write_text('"Date,Time",x\n2004-03-10 18:00,1\n2004-03-10 19:00,2\n')
    for name in "abcd":
        source = read(
            tmp_path / f"{name}.csv", time="Date,Time", time_format="%d/%m/%Y %H.%M.%S" if name == "a" else None
        )
        assert source.times.astype("M8[us]").tolist() == expected
        assert (source.time_name, source.channel_names) == ("Date,Time", ("x",))
    counts = pd.DataFrame({"year": [2004, 2004], "month": [3, 3], "day": [10, 10], "hour": [18, 19], "x": [1.0, 2]})
    assert read(counts, time=("year", "month", "day", "hour")).times.tolist() == expected
    frame = pd.DataFrame({"a": ["p", "p", "q"], "b": [1, 2, 1], "x": [1.0, 2, 3]})
    source = read(frame, id=["a", "b"])
    assert (source.ids.tolist(), source.id_name, source.channel_names) == (["p,1", "p,2", "q,1"], "a,b", ("x",))


def test_numbers_since_1970(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": [0, 1500], "x": [1.0, 2]})
    assert read(frame, time="t", time_format="ms").times.tolist() == [
        day(1970),
        day(1970).replace(second=1, microsecond=500_000),
    ]
    (tmp_path / "x.csv").write_text("t,x\n0,1\n1500,2\n")
    assert read(tmp_path / "x.csv", time="t", time_format="ms").times[1] == np.datetime64("1970-01-01T00:00:01.5")
    frame["t"] = [0.0, 1.5]
    assert read(frame, time="t", time_format="s").times.astype("M8[us]").tolist()[1] == day(1970).replace(
        second=1, microsecond=500_000
    )


@pytest.mark.parametrize(
    ("texts", "form", "message"),
    [
        (
            ["2026-01-01", "soon"],
            None,
            "'t', row 1 is 'soon', which is no date as the first row has it; .*time_format=",
        ),
        (["soon", "2026-01-01"], None, "row 0 is 'soon', which is no date such as 2026-01-31"),
        (["30 Feb 2026", "1 Mar 2026"], None, "row 0 is '30 Feb 2026', which is no date"),
        (["1 Jan 2026 25:00", "1 Mar 2026 00:00"], None, "row 0 is '1 Jan 2026 25:00'"),
        (["1 Jan 2026 00:00 +0100", "2 Jan 2026 00:00"], None, "row 1 has no time zone, unlike row 0"),
        (["1.2.2026", "soon"], "%d.%m.%Y", "row 1 is 'soon', which is no date as '%d.%m.%Y' has it"),
        (["1.2.2026", "soon"], "s", "column 't' is no number; time_format='s' is of numbers"),
    ],
)
def test_text_that_is_no_time_is_named_by_its_row(texts: list[str], form: str | None, message: str) -> None:
    with pytest.raises(InvalidSequence, match=message):
        read(pd.DataFrame({"t": pd.Series(texts), "x": [1.0, 2]}), time="t", time_format=form)


@pytest.mark.parametrize(
    ("form", "message"), [("%Q", "has %Q; known are %Y"), ("%d", "at least a year"), ("%Y %Y", "twice")]
)
def test_a_format_that_cannot_be(form: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        read(pd.DataFrame({"t": ["1", "2"], "x": [1.0, 2]}), time="t", time_format=form)
    assert isinstance(caught.value, SeqaeError)
    assert np.array_equal(caught.value.parameter, "time_format")
