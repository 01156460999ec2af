"""What may stand in a sequence, and what the message says where it may not."""

import decimal

import numpy as np
import pytest
import torch

from seqae.errors import InvalidSequence
from seqae.sequences import checks
from seqae.sequences.checks import MAX_MAGNITUDE, as_counts, as_tokens, check_values, join, to_numpy
from seqae.sequences.ragged import Ragged

ARRAY = np.arange(12.0).reshape(3, 4) - 5

REFUSED = {
    "no sequences": ([], "X holds no sequences; pass at least one"),
    "no sequences in an array": (np.ones((0, 2, 2)), "X holds no sequences"),
    "no steps": ([[1.0], []], "sequence 1 has no steps; drop it"),
    "no steps in an array": (np.ones((2, 0, 2)), "sequence 0 has no steps"),
    "no channels": ([np.ones((3, 0))], "sequence 0 has no channels"),
    "None": (None, "X must be a list .* got a NoneType"),
    "a dict": ({"a": [1.0]}, "X must be a list .* got a dict"),
    "numbers instead of sequences": ([1.0, 2.0], "sequence 0 must be .* single number 1.0; for one series pass"),
    "other channels": ([np.ones((3, 2)), np.ones((3, 1))], "sequence 1 must have 2 channels as sequence 0 has, got 1"),
    "ragged steps": ([[[1, 2], [3]]], "sequence 0 .* step 1 is 1 values, but step 0 is 2 values"),
    "a scalar among the steps": ([[[1, 2], 3]], "sequence 0 .* step 1 is no list, but step 0 is 2 values"),
    "text": ([["a", "b"]], "sequence 0 must hold real numbers, got text"),
    "numbers as text": ([np.array([["1.5"]], object)], "got '1.5' of type str, step 0, channel 0"),
    "an object": ([np.array([[1.0], [object]], object)], "sequence 0 must hold real numbers, .*, step 1, channel 0"),
    "complex": ([np.ones(3, complex)], "sequence 0 must hold real numbers, got complex numbers"),
    "dates": ([np.array(["2020"], "M8[D]")], "sequence 0 must hold real numbers, got dates"),
    "2-D": (np.ones((2, 3)), r"got shape \(2, 3\); use X\[None\] for one sequence of many channels"),
    "4-D": (np.ones((2, 3, 4, 5)), r"got shape \(2, 3, 4, 5\); use reshape"),
    "4-D sequence": ([np.ones((2, 3, 4))], r"sequence 0 must be \(n_steps, n_channels\), got shape \(2, 3, 4\)"),
    "NaN": ([ARRAY, np.where(ARRAY == 1, np.nan, ARRAY)], "sequence 1, step 1, channel 2 is NaN; fill it"),
    "infinity": (np.full((1, 1, 1), -np.inf, np.float16), "sequence 0, step 0, channel 0 is -inf; replace it"),
    "1e30": ([[0.0, 1e30]], r"sequence 0, step 1, channel 0 is 1e\+30; values may be as large as 1e\+18"),
    "a large integer": ([[0, 10**18 + 10**9]], "sequence 0, step 1, channel 0 is 1000000001000000000"),
    "a larger integer": ([[0, 10**30]], r"sequence 0, step 1, channel 0 is 1e\+30"),
    "the smallest integer": ([np.array([0, -(2**63)])], "sequence 0, step 1, channel 0 is -9223372036854775808"),
    "an integer beyond float64": ([[10**400]], r"sequence 0 holds a number beyond 1e\+18"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_a_sequence_is_named(name):
    X, message = REFUSED[name]
    with pytest.raises(InvalidSequence, match=message) as caught:
        Ragged.from_any(X, missing="error")
    assert "\n" not in str(caught.value)


TAKEN = {
    "float16": ARRAY.astype(np.float16),
    "float64": ARRAY,
    "long double": ARRAY.astype(np.longdouble),
    "int8": ARRAY.astype(np.int8),
    "int64": ARRAY.astype(np.int64),
    "big-endian": ARRAY.astype(">f4"),
    "Fortran order": np.asfortranarray(ARRAY),
    "negative strides": ARRAY[::-1, ::-1][::-1, ::-1],
    "nested lists": ARRAY.tolist(),
    "Python objects": ARRAY.astype(object),
    "decimals": [[decimal.Decimal(value) for value in row] for row in ARRAY.tolist()],
    "tensor": torch.tensor(ARRAY, requires_grad=True),
    "list of rows": list(ARRAY),
}


@pytest.mark.parametrize("name", TAKEN)
def test_odd_numbers_are_taken_as_float32_or_float64(name):
    for X in ([TAKEN[name]], [TAKEN[name], TAKEN[name]]):
        ragged = Ragged.from_any(X)
        assert ragged.values.dtype in (np.float32, np.float64)
        assert ragged.values.dtype.isnative
        assert ragged.values.flags.c_contiguous
        np.testing.assert_array_equal(ragged[len(X) - 1], ARRAY)


def test_unsigned_and_bool_are_taken():
    np.testing.assert_array_equal(Ragged.from_any([np.array([True, False])])[0], [[1], [0]])
    np.testing.assert_array_equal(Ragged.from_any([np.array([2, 255], np.uint8)])[0], [[2], [255]])


def test_read_only_array_is_not_copied():
    block = np.ones((4, 3, 2), np.float32)
    block.setflags(write=False)
    ragged = Ragged.from_any(block)
    assert np.shares_memory(ragged.values, block)
    assert Ragged.from_any([block[0]]).values.base is not None


def test_blocks_of_objects_are_taken():
    np.testing.assert_array_equal(Ragged.from_any(np.array([[[1], [2.5]]], object)).values, [[1], [2.5]])
    ragged_array = np.empty(2, object)
    ragged_array[:] = [np.ones((2, 1)), np.ones((3, 1))]
    assert Ragged.from_any(ragged_array).lengths.tolist() == [2, 3]


def test_mixed_dtypes_keep_their_values():
    ragged = Ragged.from_any([np.array([1, 2]), np.array([0.5]), np.array([True])])
    np.testing.assert_array_equal(ragged.values, [[1], [2], [0.5], [1]])


def test_the_largest_value_is_taken():
    values = np.array([[-MAX_MAGNITUDE], [MAX_MAGNITUDE]])
    taken = Ragged.from_any([values]).values
    np.testing.assert_array_equal(taken, values)
    assert np.isfinite(np.square(taken.astype(np.float32))).all()
    with pytest.raises(InvalidSequence, match="sequence 0, step 1"):
        Ragged.from_any([values * [[1], [1.001]]])


def test_missing_is_masked_on_request():
    ragged = Ragged.from_any([[[1.0, np.nan]], [[3.0, 4.0]]], missing="mask")
    np.testing.assert_array_equal(ragged.values, [[1, 0], [3, 4]])
    np.testing.assert_array_equal(ragged.observed, [[True, False], [True, True]])
    assert Ragged.from_any([[1.0, 2.0]], missing="mask").observed is None
    assert not Ragged.from_any([[1.0, None]], missing="mask").observed[1, 0]


def test_infinity_is_refused_even_where_missing_is_masked():
    with pytest.raises(InvalidSequence, match="step 1, channel 0 is inf"):
        Ragged.from_any([[np.nan, np.inf]], missing="mask")


def test_masked_values_of_a_masked_array_are_missing():
    masked = np.ma.masked_array([1, 2], [False, True])
    np.testing.assert_array_equal(to_numpy(masked), [1, np.nan])
    with pytest.raises(InvalidSequence, match="sequence 0, step 1"):
        Ragged.from_any([masked], missing="error")


def test_only_what_a_sequence_holds_and_what_was_observed_is_looked_at(monkeypatch):
    monkeypatch.setattr(checks, "CHECKED_ROWS", 2)
    values = np.arange(12.0).reshape(6, 2)
    values[[0, 3, 5], [0, 1, 0]] = np.inf, np.nan, -1e30
    starts, lengths = np.array([4, 1, 2]), np.array([1, 2, 1])
    check_values(values, starts, lengths)
    for row, expected in ((5, "sequence 0, step 1, channel 0 is -1e"), (3, "sequence 1, step 2, channel 1 is NaN")):
        longer = lengths + (starts + lengths == row)
        with pytest.raises(InvalidSequence, match=expected):
            check_values(values, starts, longer)
        check_values(values, starts, longer, observed=np.abs(values) < 100)
    check_values(values, starts, np.array([1, 3, 1]), allow_nan=True)


def test_tokens():
    assert as_tokens(np.array([0, 2**31 - 1], np.int64), 0).dtype == np.int32
    for tokens, message in (
        ([-1], "holds token -1"),
        ([2**31], "holds token 2147483648"),
        ([0.5], "vector of integers"),
    ):
        with pytest.raises(InvalidSequence, match=message):
            as_tokens(tokens, 0)
    with pytest.raises(InvalidSequence, match="sequence 7 has no steps"):
        as_tokens([], 7)


def test_counts():
    assert as_counts([1.0, 2.0], "lengths").dtype == np.int64
    for counts, message in (
        ([1, -2], r"lengths\[1\] is -2; it must not be negative"),
        ([1, 1.5], r"lengths\[1\] is 1.5; it must be a whole number"),
        ([np.nan], r"lengths\[0\] is nan"),
        ([1e300], r"lengths\[0\] is 1e\+300"),
        (["a"], "lengths must be whole numbers, got text"),
        ([True], "lengths must be whole numbers, got bool"),
    ):
        with pytest.raises(InvalidSequence, match=message):
            as_counts(counts, "lengths")


def test_a_million_sequences_of_one_step():
    block = np.arange(1e6, dtype=np.float32).reshape(-1, 1, 1)
    values, lengths = join(block)
    assert np.shares_memory(values, block)
    assert len(lengths) == 10**6
    np.testing.assert_array_equal(join(list(block))[0], values)
