"""JSON by declared types and arrays by shape: what fits comes back, and what does not is named, in one short line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae.errors import InvalidParameter, ModelFileError
from seqae.storage.vetting import Arrays, as_count, decoded, decoded_arguments, vet_arrays


@dataclass(frozen=True)
class Inner:
    size: int
    rate: float = 0.5

    def __post_init__(self) -> None:
        if self.size > 9:
            raise InvalidParameter("size must be at most 9")


@dataclass(frozen=True)
class Outer:
    name: Literal["a", "b"]
    inner: Inner | None
    steps: tuple[int, ...] = ()
    pair: tuple[str, bool] = ("x", True)
    versions: Mapping[str, str] | None = None


GOOD = Outer("a", Inner(3), (1, 2), ("y", False), {"seqae": "1"})
JSON = {**asdict(GOOD), "steps": [1, 2], "pair": ["y", False]}
BAD = {
    "another word": ({"name": "c"}, r"thing\.name must be 'a' or 'b'"),
    "a number for a word": ({"name": 1}, r"thing\.name must be"),
    "a missing field": ({"name": None}, "thing"),
    "an unknown field": ({"more": 1}, "thing has more"),
    "true for a whole number": ({"inner": {"size": True}}, r"thing\.inner\.size must be a whole number"),
    "a fraction": ({"steps": [1.5]}, r"thing\.steps must be a whole number"),
    "a huge number": ({"steps": [10**40]}, r"thing\.steps must be a whole number"),
    "a huge number for a fraction": ({"inner": {"size": 1, "rate": 10**400}}, r"rate must be finite"),
    "NaN": ({"inner": {"size": 1, "rate": math.nan}}, r"rate must be finite"),
    "a text for a list": ({"steps": "12"}, r"thing\.steps must be a list"),
    "a list of another length": ({"pair": ["y"]}, r"thing\.pair must hold 2 values, got 1"),
    "a list for an object": ({"inner": [3]}, r"thing\.inner must be Inner or null"),
    "what the class refuses": ({"inner": {"size": 10}}, r"thing\.inner cannot be: size must be at most 9"),
    "an object of other values": ({"versions": {"seqae": 1}}, r"thing\.versions"),
    "a long text": ({"name": "x" * 10**6}, r"thing\.name"),
}


def test_what_was_written_comes_back() -> None:
    assert decoded(Outer, JSON, "thing") == GOOD
    assert decoded(Outer, {"name": "b", "inner": None}, "thing") == Outer("b", None)
    assert decoded(tuple[str, ...], ["a"], "words") == ("a",)


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_named(name: str) -> None:
    change, message = BAD[name]
    with pytest.raises(ModelFileError, match=message) as caught:
        decoded(Outer, {**JSON, **change}, "thing")
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_a_field_without_a_default_must_be_there() -> None:
    with pytest.raises(ModelFileError, match="thing lacks inner"):
        decoded(Outer, {"name": "a"}, "thing")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from([*JSON, "size", "rate"]), part),
    max_leaves=8,
)


@given(json_values)
def test_any_json_is_decoded_or_refused(value: object) -> None:
    try:
        found = decoded(Outer, value, "thing")
    except ModelFileError as error:
        found = str(error)
    assert isinstance(found, Outer) or len(found) < 300


def function(size: int, rate: float | None = None, names: Sequence[int | str] = ()) -> None:
    """Takes three arguments."""


def test_arguments_go_by_the_types_of_the_parameters() -> None:
    assert decoded_arguments(function, {"size": 3, "rate": None}, "parameters") == {"size": 3, "rate": None}
    assert decoded_arguments(function, {"names": [1, "a"]}, "parameters") == {"names": (1, "a")}
    wrong = (
        ({"size": "3"}, r"parameters\.size"),
        ({"names": [None]}, "names"),
        ({"width": 3}, "width"),
        ([3], "an object"),
    )
    for given_, message in wrong:
        with pytest.raises(ModelFileError, match=message):
            decoded_arguments(function, given_, "parameters")


def test_arrays_are_taken_by_shape_and_dtype() -> None:
    arrays = Arrays({"a.x": np.ones((2, 3), np.float32), "a.n": np.arange(3)})
    part = arrays.below("a.")
    assert part.take("x", (None, 3), above=0, most=1).shape == (2, 3)
    assert part.n_values == 9
    for arguments, message in (
        (("y", (2,)), r"a\.y is missing"),
        (("x", (2,)), r"a\.x must be float32 of shape \(2\), got float32 of shape \(2, 3\)"),
        (("x", (3, None)), "of shape"),
        (("n", (3,), (np.float32, np.float64)), "must be float32 or float64 of shape"),
        (("n", (3,), np.int64, {"least": 1}), "holds 0, which is too small"),
        (("n", (3,), np.int64, {"above": 0}), "holds 0, which is too small"),
        (("n", (3,), np.int64, {"most": 1}), "holds 2, which is too large"),
    ):
        options = arguments[3] if len(arguments) > 3 else {}
        with pytest.raises(ModelFileError, match=message):
            part.take(*arguments[:3], **options)
    with pytest.raises(ModelFileError, match=r"a\.n belongs to nothing"):
        part.only({"x"})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_arrays_hold_finite_numbers_alone(value: float) -> None:
    vet_arrays({"a": np.ones(3), "b": np.zeros(0), "c": np.array([True])})
    with pytest.raises(ModelFileError, match="b holds a value that is not finite"):
        vet_arrays({"a": np.ones(3), "b": np.array([1.0, value, 2.0])})
    with pytest.raises(ModelFileError, match="values of type complex"):
        vet_arrays({"a": np.ones(3, complex)})


def test_counts_have_bounds() -> None:
    assert as_count(3, "n", most=3) == 3
    for value in (4, -1, True, 3.0, "3", None):
        with pytest.raises(ModelFileError, match="n must be a whole number from 0 to 3"):
            as_count(value, "n", most=3)
