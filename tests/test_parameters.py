"""Settings that cannot be: one line of our own, whoever would have refused them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seqae import AnomalyDetector, EncDecAD, SequenceAutoencoder, compare
from seqae.errors import InvalidParameter
from seqae.parameters import as_random_state

X = [np.ones((5, 1)), np.zeros((5, 1))] * 5
FITS: dict[str, Callable[[Any], object]] = {
    "SequenceAutoencoder": lambda seed: SequenceAutoencoder(random_state=seed, verbose=False).fit(X),
    "AnomalyDetector": lambda seed: AnomalyDetector(random_state=seed, baseline="pca", verbose=False).fit(X),
    "EncDecAD": lambda seed: EncDecAD.paper(X, [0, 1] * 5, random_state=seed),
    "compare": lambda seed: compare(X, random_state=seed, max_epochs=1, verbose=False),
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "one"])
def test_a_seed_that_cannot_be_is_named(fit: str, seed: object) -> None:
    with pytest.raises(InvalidParameter, match="random_state must be a whole number from 0 to 4294967295") as error:
        FITS[fit](seed)
    assert repr(seed) in str(error.value)


def test_a_seed_begins_numpys_generator_and_a_generator_goes_on() -> None:
    expected = np.random.RandomState(2**32 - 1).randint(2**31, size=3).tolist()
    generator = np.random.RandomState(2**32 - 1)
    assert as_random_state(2**32 - 1).randint(2**31, size=3).tolist() == expected
    assert [int(as_random_state(generator).randint(2**31)) for _ in range(3)] == expected
