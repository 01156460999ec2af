from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqae
from seqae import Loss, Ragged, SequenceAutoencoder
from seqae.errors import InvalidParameter, InvalidSequence
from seqae.model.losses import as_loss
from seqae.sequences.ragged import to_tensors

from .conftest import make_ragged, make_waves
from .naive import value_loss


@pytest.mark.parametrize("kind", ["mse", "mae", "huber", "bce"])
def test_of_values_is_the_formula(kind: str) -> None:
    rng = np.random.default_rng(0)
    prediction, target = 3 * rng.normal(size=(9, 2)), rng.uniform(size=(9, 2))
    losses = Loss(kind).of_values(torch.from_numpy(prediction), torch.from_numpy(target))
    expected = [
        [value_loss(kind, p, t) for p, t in zip(*rows, strict=True)] for rows in zip(prediction, target, strict=True)
    ]
    np.testing.assert_allclose(losses, expected, rtol=1e-10)


def test_reduction_weighs_steps_or_sequences() -> None:
    prediction, target = make_ragged([1, 9], 1), make_ragged([1, 9], 1)
    prediction.values[0] = target.values[0] + 3
    pair = to_tensors(prediction), to_tensors(target)
    assert float(Loss("mse", "step").mean(*pair)) == pytest.approx(0.9)
    assert float(Loss("mse", "sequence").mean(*pair)) == pytest.approx(4.5)


def test_bce_needs_values_from_0_to_1_and_is_not_scaled() -> None:
    values = np.array([[9.0, 9], [0.5, 0], [1, 1], [0, 2], [3, 0]], np.float32)  # row 0 is of no sequence
    sequences = Ragged(values, np.array([1, 2]), np.array([1, 2]))
    with pytest.raises(InvalidSequence, match=r"from 0 to 1, got 2\.0 in sequence 1, step 1, channel 1"):
        Loss("bce").check_target(sequences)
    Loss("bce").check_target(Ragged(values, np.array([1, 2]), np.array([1, 1])))
    observed = np.array([[True, True], [True, True], [True, True], [True, False], [True, True]])
    Loss("bce").check_target(Ragged(values, sequences.starts, sequences.lengths, observed))
    assert not Loss("bce").takes_scaled
    assert float(Loss("bce").to_data(torch.zeros(1))) == 0.5


@pytest.mark.parametrize(("kind", "per"), [("mes", "step"), ("mse", "steps"), ("", "step")])
def test_unknown_names_are_refused(kind: str, per: str) -> None:
    with pytest.raises(InvalidParameter, match="must be"):
        Loss(kind, per)


def test_what_is_no_loss_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="loss must be a Loss, got 42"):
        as_loss(42, of_tokens=False)  # pyright: ignore[reportArgumentType]


def test_a_name_is_a_loss_per_step() -> None:
    assert as_loss("mae", of_tokens=False) == Loss("mae", "step")
    assert as_loss(loss := Loss("mse", "sequence"), of_tokens=False) is loss


def test_auto_is_what_suits_the_data() -> None:
    assert as_loss("auto", of_tokens=True) == Loss("cross_entropy")
    assert as_loss("auto", of_tokens=False) == Loss("mse")


def test_the_estimators_loss_is_chosen_and_saved(tmp_path: Path) -> None:
    tiny: dict[str, Any] = {"latent_size": 2, "hidden_size": 3, "max_epochs": 1, "verbose": False, "random_state": 0}
    tokens = Ragged.from_tokens([np.arange(4), np.arange(3), np.arange(6)])
    of_tokens = SequenceAutoencoder("tokens", **tiny).fit(tokens)
    given = SequenceAutoencoder("tokens", loss="cross_entropy", **tiny).fit(tokens)
    assert of_tokens.get_params()["loss"] == "auto"
    assert of_tokens.loss_ == Loss("cross_entropy")
    np.testing.assert_array_equal(of_tokens.transform(tokens), given.transform(tokens))
    of_tokens.save(tmp_path / "m.seqae")
    assert seqae.load(tmp_path / "m.seqae").loss_ == Loss("cross_entropy")
    assert SequenceAutoencoder(**tiny).fit(make_waves(4, seed=0)).loss_ == Loss("mse")
