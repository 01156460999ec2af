"""What all tests share: reproducible Hypothesis, small data, and the optional real data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from seqae import Ragged, active_kernel

settings.register_profile("seqae", deadline=None, derandomize=True, max_examples=40, print_blob=True)
settings.load_profile("seqae")

KERNEL = {
    "architectures",
    "attention",
    "compare",
    "detect",
    "encdec_ad",
    "estimator",
    "forecast",
    "keras",
    "keras_kinds",
    "losses",
    "model",
    "presets",
    "stream",
    "symbols",
    "tokens",
    "torch",
    "training",
}
"""Modules of tests whose results depend on the kernel that runs: `make test-kernels` runs them on the reference.

Those of the kernels themselves (native, recurrence, ...) name each kernel that they test.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of KERNEL."""
    for item in items:
        if item.path.stem.removeprefix("test_") in KERNEL:
            item.add_marker(pytest.mark.kernel)


TOLERANCE = 2e-6 if active_kernel() == "reference" else 0.0
"""Of results alone and in company: BLAS takes other routines for other batch sizes; the native kernel does not."""

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data that lies beside some checkouts."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data (../shared/data) is not beside this checkout")
    return SHARED_DATA


@pytest.fixture
def waves() -> list[np.ndarray]:
    """40 noisy sines of 2 channels and 3..30 steps."""
    return make_waves(40, seed=0)


def make_waves(n_sequences: int, *, seed: int, shortest: int = 3, longest: int = 30) -> list[np.ndarray]:
    """Sines of random frequency and phase, with their cosines as second channel."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shortest, longest + 1, n_sequences)
    angles = [rng.uniform(0, 6) + rng.uniform(0.1, 0.6) * np.arange(n) for n in lengths]
    return [np.stack([np.sin(a), np.cos(a)], axis=1) + 0.05 * rng.normal(size=(len(a), 2)) for a in angles]


def make_ragged(lengths: list[int], n_channels: int, *, seed: int = 0, dtype: type = np.float64) -> Ragged:
    """Standard normal steps, NumPy values."""
    values = np.random.default_rng(seed).normal(size=(sum(lengths), n_channels)).astype(dtype)
    return Ragged.back_to_back(values, np.array(lengths, np.int64))
