"""Grids, convolutions and statistics of whole sequences, against loops and matrices; their bits on every kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqae import recurrence
from seqae.errors import InvalidParameter, InvalidSequence
from seqae.recurrence import native, sequencewise
from seqae.recurrence.sequencewise import Convolutions
from seqae.sequences.ragged import Ragged

from . import naive

KERNELS = [*native.kernels(), "reference"]
some = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
every_kernel = pytest.mark.parametrize("kernel", KERNELS)


@pytest.fixture(autouse=True)
def _kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "kernel" in request.fixturenames:
        monkeypatch.setenv("SEQAE_KERNEL", request.getfixturevalue("kernel"))


@st.composite
def sequences(draw: st.DrawFn) -> Ragged:
    """Overlapping sequences of 1..5 channels and 0..40 steps, or few more, some with missing values."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    lengths = np.array(draw(st.lists(st.integers(0, 40) | st.sampled_from([256, 300]), min_size=1, max_size=6)))
    values = rng.normal(size=(int(lengths.max()) + 9, draw(st.integers(1, 5)))).astype(np.float32)
    observed = rng.random(values.shape) < draw(st.sampled_from([0.1, 0.8])) if draw(st.booleans()) else None
    starts = rng.integers(0, len(values) - lengths + 1)
    return Ragged(values if observed is None else np.where(observed, values, np.float32(0)), starts, lengths, observed)


def parts(x: Ragged) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Values in float64, and what was observed, of each sequence."""
    observed = np.ones(x.values.shape, bool) if x.observed is None else x.observed
    for start, n in zip(x.starts, x.lengths, strict=True):
        yield x.values[start : start + n].astype(np.float64), observed[start : start + n]


def drawn_convolutions(n_channels: int, *, seed: int = 0, is_standardised: bool = False) -> Convolutions:
    """Three dilations; a third of the kernels read one channel, the others up to all."""
    rng = np.random.default_rng(seed)
    dilations = np.sort(rng.choice(np.arange(1, 12), 3, replace=False))
    channels = rng.random((3, 84, n_channels)) < rng.choice([0, 0.3, 0.9], (3, 84, 1))
    channels[~channels.any(axis=2), rng.integers(n_channels)] = True
    return Convolutions(dilations, channels, rng.integers(1, 4, 3), is_standardised)


def outputs_of(convolutions: Convolutions, x: Ragged) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Of each dilation and kernel its number of biases, and the outputs of each sequence."""
    inputs = []
    for values, observed in parts(x):
        filled = naive.filled_in(values, observed)
        if convolutions.is_standardised:
            kinds = naive.sequence_statistics(values, observed)[:-1].reshape(6, -1)
            has_any = observed.any(axis=0)
            filled = np.where(has_any, (filled - kinds[0]) / np.maximum(kinds[1], 0.01), 0)
        inputs.append(filled)
    for d, dilation in enumerate(convolutions.dilations):
        for k, taps in enumerate(combinations(range(9), 3)):
            kernel = [2.0 if tap in taps else -1.0 for tap in range(9)]
            chosen = convolutions.channels[d, k]
            yield (
                int(convolutions.n_biases[d]),
                [naive.convolution(values, chosen, kernel, int(dilation)) for values in inputs],
            )


@every_kernel
@some
@given(x=sequences(), n_points=st.integers(1, 50))
def test_reading_is_the_transpose_of_interpolation(kernel: str, x: Ragged, n_points: int) -> None:
    read = sequencewise.grid_read(x, n_points)
    for i, (values, observed) in enumerate(parts(x)):
        R = naive.reading_matrix(len(values), n_points)
        np.testing.assert_allclose(read[i], R.T @ np.where(observed, values, 0), atol=1e-12)


@every_kernel
@some
@given(x=sequences(), n_points=st.integers(1, 50))
def test_writing_interpolates(kernel: str, x: Ragged, n_points: int) -> None:
    curves = np.random.default_rng(n_points).normal(size=(len(x), n_points, x.n_channels))
    written = sequencewise.grid_write(curves, x.lengths)
    assert written.values.dtype == np.float32
    assert written.is_compact()
    for i, n in enumerate(x.lengths):
        np.testing.assert_allclose(written[i], naive.reading_matrix(n, n_points) @ curves[i], atol=1e-6)


@every_kernel
@some
@given(x=sequences(), n_points=st.integers(1, 50))
def test_gram_is_that_of_the_reading_matrix(kernel: str, x: Ragged, n_points: int) -> None:
    of_lengths, of_observed = sequencewise.grid_gram(x.lengths, n_points), sequencewise.observed_gram(x, n_points)
    for i, (_, observed) in enumerate(parts(x)):
        R = naive.reading_matrix(len(observed), n_points)
        gram = R.T @ R
        np.testing.assert_allclose(of_lengths[0][i], np.diag(gram), atol=1e-12)
        np.testing.assert_allclose(of_lengths[1][i], np.diag(gram, 1), atol=1e-12)
        for c in range(x.n_channels):
            gram = R.T @ np.diag(observed[:, c].astype(float)) @ R
            np.testing.assert_allclose(of_observed[0][i, :, c], np.diag(gram), atol=1e-12)
            np.testing.assert_allclose(of_observed[1][i, :, c], np.diag(gram, 1), atol=1e-12)


@every_kernel
@some
@given(x=sequences(), n_points=st.integers(1, 50))
def test_resampling_interpolates_between_steps(kernel: str, x: Ragged, n_points: int) -> None:
    resampled = sequencewise.resample(x, n_points)
    for i, (values, observed) in enumerate(parts(x)):
        wanted = np.zeros((n_points, x.n_channels))
        if len(values):
            wanted = naive.reading_matrix(n_points, len(values)) @ naive.filled_in(values, observed)
        np.testing.assert_allclose(resampled[i], wanted, atol=2e-6)


@every_kernel
@some
@given(x=sequences())
def test_statistics_are_those_of_observed_values(kernel: str, x: Ragged) -> None:
    found = sequencewise.statistics(x)
    for i, (values, observed) in enumerate(parts(x)):
        np.testing.assert_allclose(found[i], naive.sequence_statistics(values, observed), rtol=1e-6, atol=1e-6)


@every_kernel
@pytest.mark.parametrize("is_standardised", [False, True])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(x=sequences(), seed=st.integers(0, 99))
def test_shares_count_positive_outputs(kernel: str, is_standardised: bool, x: Ragged, seed: int) -> None:
    convolutions = drawn_convolutions(x.n_channels, seed=seed, is_standardised=is_standardised)
    biases = np.random.default_rng(seed).normal(size=convolutions.n_features).astype(np.float32)
    shares = sequencewise.convolution_shares(x, convolutions, biases)
    remaining = list(zip(shares.T, biases, strict=True))
    for n_biases, outputs in outputs_of(convolutions, x):
        for found, bias in (remaining.pop(0) for _ in range(n_biases)):
            for share, output in zip(found, outputs, strict=True):  # rounding may decide those at the bias
                n = max(len(output), 1)
                assert np.sum(output > bias + 1e-4) / n - 1e-6 <= share <= np.sum(output > bias - 1e-4) / n + 1e-6
    assert not remaining


@every_kernel
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(x=sequences(), seed=st.integers(0, 99))
def test_quantiles_are_those_of_all_outputs(kernel: str, x: Ragged, seed: int) -> None:
    convolutions = drawn_convolutions(x.n_channels, seed=seed)
    probabilities = np.random.default_rng(seed).random(convolutions.n_features)
    found = sequencewise.convolution_quantiles(x, convolutions, probabilities)
    remaining = list(zip(found, probabilities, strict=True))
    for n_biases, outputs in outputs_of(convolutions, x):
        ordered = np.sort(np.concatenate(outputs)) if x.n_steps else np.zeros(1)
        for quantile, p in (remaining.pop(0) for _ in range(n_biases)):
            assert quantile == pytest.approx(ordered[int(p * (len(ordered) - 1))], abs=1e-4)
    assert not remaining


@every_kernel
def test_of_many_outputs_a_regular_sample_counts(kernel: str) -> None:
    values = np.random.default_rng(0).normal(size=(40_000, 1)).astype(np.float32)
    x = Ragged.back_to_back(values, np.array([15_000, 25_000]))
    convolutions = Convolutions(np.array([3]), np.ones((1, 84, 1), bool), np.array([1]))
    found = sequencewise.convolution_quantiles(x, convolutions, np.full(84, 0.3))
    steps = np.arange(16_384) * 40_000 // 16_384
    for (_, outputs), quantile in zip(outputs_of(convolutions, x), found[:3], strict=False):
        ordered = np.sort(np.concatenate(outputs)[steps])
        assert quantile == pytest.approx(ordered[int(0.3 * 16_383)], abs=1e-4)


@every_kernel
@some
@given(n=st.integers(0, 9), n_inputs=st.integers(0, 40), n_outputs=st.integers(0, 150), is_double=st.booleans())
def test_affine_is_a_product_and_an_offset(kernel: str, n: int, n_inputs: int, n_outputs: int, is_double: bool) -> None:
    rng = np.random.default_rng(n)
    shapes = (n, n_inputs), (n_inputs, n_outputs), (n_outputs,)
    x, matrix, offset = (rng.normal(size=shape).astype(np.float64 if is_double else np.float32) for shape in shapes)
    found = sequencewise.affine(x, matrix, offset)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found, x @ matrix + offset, atol=1e-12 if is_double else 1e-4)
    for i in range(n):
        assert sequencewise.affine(x[[i]], matrix, offset).tobytes() == found[i].tobytes()


@pytest.mark.skipif(not native.kernels(), reason="the native kernel is not built")
def test_affine_has_the_bits_of_linear_and_threads_change_none() -> None:
    rng = np.random.default_rng(0)
    x, matrix, offset = (rng.normal(size=shape) for shape in ((500, 70), (70, 90), (90,)))
    wanted = recurrence.linear(torch.from_numpy(x), torch.from_numpy(matrix).t(), torch.from_numpy(offset)).numpy()
    n_threads = torch.get_num_threads()
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            assert sequencewise.affine(x, matrix, offset).tobytes() == wanted.tobytes()
    finally:
        torch.set_num_threads(n_threads)


def functions(n_channels: int) -> dict[str, Callable[[Ragged], list[np.ndarray]]]:
    """Each of the functions as one of sequences alone, giving arrays with a row for each sequence."""
    calls: dict[str, Callable[[Ragged], list[np.ndarray]]] = {
        "read": lambda x: [sequencewise.grid_read(x, 7)],
        "read one": lambda x: [sequencewise.grid_read(x, 1)],
        "gram": lambda x: [*sequencewise.observed_gram(x, 7), *sequencewise.grid_gram(x.lengths, 9)],
        "resample": lambda x: [sequencewise.resample(x, 11)],
        "statistics": lambda x: [sequencewise.statistics(x)],
    }
    for is_standardised in (False, True):
        convolutions = drawn_convolutions(n_channels, is_standardised=is_standardised)
        biases = np.random.default_rng(0).normal(size=convolutions.n_features).astype(np.float32)
        calls[f"shares {is_standardised}"] = lambda x, c=convolutions, b=biases: [
            sequencewise.convolution_shares(x, c, b)
        ]
    return calls


@some
@given(x=sequences())
def test_every_kernel_gives_the_bits_of_the_reference(x: Ragged, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = functions(x.n_channels)
    convolutions, curves = drawn_convolutions(x.n_channels), np.random.default_rng(0).normal(size=(len(x), 9, 2))
    probabilities = np.random.default_rng(0).random(convolutions.n_features)
    calls["write"] = lambda x: [sequencewise.grid_write(curves, x.lengths).values]
    calls["quantiles"] = lambda x: [sequencewise.convolution_quantiles(x, convolutions, probabilities)]
    for name, call in calls.items():
        results = []
        for kernel in KERNELS:
            monkeypatch.setenv("SEQAE_KERNEL", kernel)
            results.append([array.tobytes() for array in call(x)])
        for kernel, result in zip(KERNELS, results, strict=True):
            assert result == results[-1], f"{name} on {kernel}"


@every_kernel
def test_company_and_threads_change_no_bit(kernel: str) -> None:
    rng = np.random.default_rng(0)
    lengths = np.array([3, 70, 1, 0, 33, 520, 9, 8])
    values = rng.normal(size=(int(lengths.sum()), 3)).astype(np.float32)
    x = Ragged.back_to_back(values, lengths, rng.random(values.shape) < 0.9)
    n_threads = torch.get_num_threads()
    try:
        for name, call in functions(3).items():
            alone = [[array.tobytes() for array in call(x[[i]])] for i in range(len(x))]
            for n, order in ((1, rng.permutation(8)), (2, rng.permutation(8)), (3, np.arange(8))):
                torch.set_num_threads(n)
                together = call(x[order])
                for row, i in enumerate(order):
                    assert [array[row].tobytes() for array in together] == alone[i], f"{name} of sequence {i}"
    finally:
        torch.set_num_threads(n_threads)


def test_what_does_not_fit_is_refused() -> None:
    x = Ragged.back_to_back(np.zeros((4, 2), np.float32), np.array([4]))
    one = Convolutions(np.array([1]), np.ones((1, 84, 1), bool), np.array([2]))
    two = Convolutions(np.array([1]), np.ones((1, 84, 2), bool), np.array([2]))
    with pytest.raises(InvalidSequence, match="must have 1 channels"):
        sequencewise.convolution_shares(x, one, np.zeros(168, np.float32))
    with pytest.raises(InvalidParameter, match=r"biases must have shape \(168,\), got \(84,\)"):
        sequencewise.convolution_shares(x, two, np.zeros(84, np.float32))
    with pytest.raises(InvalidParameter, match=r"in 0\.\.1"):
        sequencewise.convolution_quantiles(x, two, np.full(168, 2.0))
    with pytest.raises(InvalidParameter, match="n_points"):
        sequencewise.grid_read(x, 0)
    for matrix in (np.zeros((3, 1)), np.zeros((2, 1), int)):
        with pytest.raises(InvalidParameter, match="x, matrix and offset"):
            sequencewise.affine(np.zeros((4, 2), matrix.dtype), matrix, np.zeros(1, matrix.dtype))
    with pytest.raises(InvalidParameter, match="one for each length"):
        sequencewise.grid_write(np.zeros((2, 3, 1)), np.array([4]))
    for parts in (([0], 1, [1]), ([1], 0, [1]), ([1], 1, [0]), ([1, 2], 1, [1])):
        dilations, has_channel, n_biases = parts
        with pytest.raises(InvalidParameter):
            Convolutions(np.array(dilations), np.full((1, 84, 1), bool(has_channel)), np.array(n_biases))


def test_values_may_lie_anywhere() -> None:
    values = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    lengths = np.array([10, 20])
    wanted = sequencewise.statistics(Ragged.back_to_back(values, lengths))
    read_only = values.copy()
    read_only.flags.writeable = False
    for same in (read_only, np.asfortranarray(values), torch.from_numpy(values), values.astype(np.float64)):
        np.testing.assert_array_equal(sequencewise.statistics(Ragged.back_to_back(same, lengths)), wanted)
