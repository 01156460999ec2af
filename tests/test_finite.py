"""What is not finite is an error that names the sequence, never a silent NaN."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqae import Ragged, SequenceAutoencoder, load
from seqae.errors import InvalidSequence

X = [np.linspace(0, 1, n)[:, None] * [1.0, -1.0] for n in (3, 5, 4, 6)]


@pytest.fixture
def overgrown(tmp_path: Path) -> SequenceAutoencoder:
    """A loaded model whose weights are finite in its file, and too large to be used."""
    model = SequenceAutoencoder(architecture="repeat", latent_size=2, hidden_size=3, max_epochs=1, random_state=0)
    for parameter in model.fit(X).model_.parameters():
        parameter.data.fill_(3e38)
    model.save(tmp_path / "m.seqae")
    return load(tmp_path / "m.seqae")


@pytest.mark.parametrize(
    ("result", "call"),
    [
        ("vector", lambda m: m.transform(X)),
        ("decoded sequence", lambda m: m.inverse_transform(np.ones((4, 2)), lengths=[3, 5, 4, 6])),
        ("decoded sequence", lambda m: m.reconstruct(X)),
        ("error", lambda m: m.reconstruction_error(X)),
        ("error", lambda m: m.score_samples(X)),
    ],
)
def test_what_is_not_finite_is_named(overgrown: SequenceAutoencoder, result: str, call) -> None:
    with pytest.raises(InvalidSequence, match=f"^sequence 0: its {result} is not finite"):
        call(overgrown)


def test_a_missing_value_has_no_error_and_is_none() -> None:
    holed = [x.copy() for x in X]
    holed[1][2, 0] = np.nan
    given = Ragged.from_any(holed, missing="mask")
    model = SequenceAutoencoder(architecture="repeat", latent_size=2, hidden_size=3, max_epochs=1, random_state=0)
    errors = model.fit(given).reconstruction_error(given, per="value")
    assert np.isnan(errors[1]).sum() == 1
    assert np.isnan(errors.values).sum() == 1
