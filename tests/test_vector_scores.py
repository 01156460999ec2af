"""The scores of the benchmark of vectors."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.vector_scores import critical_difference, mean_ranks


def test_ranks_are_means_over_sets() -> None:
    np.testing.assert_allclose(mean_ranks(np.array([[0.9, 0.8, 0.8], [0.1, 0.3, 0.2]])), [2.0, 1.75, 2.25])


def test_critical_difference_is_that_of_the_literature() -> None:
    """Demsar 2006, section 3.2.2: four classifiers on fourteen sets differ by 1.25."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.01)
