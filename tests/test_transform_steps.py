"""States after each step against torch.nn.LSTM and GRU, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from seqae import SequenceAutoencoder
from seqae.errors import InvalidParameter, NotFitted
from seqae.model.layers import RecurrentLayer

from .conftest import make_waves

WAVES = make_waves(12, seed=0)


def fitted(preset: str, **more: object) -> SequenceAutoencoder:
    settings = {"hidden_size": 5, "latent_size": 4, "max_epochs": 2, "random_state": 0, "verbose": False}
    return SequenceAutoencoder(preset, **settings | more).fit(WAVES)  # pyright: ignore[reportArgumentType]


def in_torch(layers: list[list[RecurrentLayer]], x: np.ndarray) -> np.ndarray:
    """The outputs of torch's own stack with these weights."""
    first, is_both = layers[0][0], len(layers[0]) == 2
    kind = nn.LSTM if first.cell.kind == "lstm" else nn.GRU
    size = first.weight_hh.shape[1]
    stack = kind(x.shape[1], size, num_layers=len(layers), bidirectional=is_both, batch_first=True)
    with torch.no_grad():
        for k, directions in enumerate(layers):
            for own in directions:
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(stack, f"{name}_l{k}{'_reverse' if own.reverse else ''}").copy_(getattr(own, name))
        return stack(torch.from_numpy(x)[None])[0][0].numpy()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize(("preset", "width"), [("state", 5), ("repeat", 10), ("outputs", 10), ("seq2seq", 5)])
def test_they_are_the_outputs_of_torch(preset: str, width: int, cell: str) -> None:
    estimator = fitted(preset, cell=cell)
    states = estimator.transform_steps(WAVES)
    assert states.values.shape == (sum(map(len, WAVES)), width)
    for k, wave in enumerate(WAVES):
        scaled = estimator.scaling_.forward(wave)
        expected = in_torch(estimator.model_.encoder.recurrent_layers, scaled)
        np.testing.assert_allclose(states[k], expected, rtol=0, atol=2e-6)


def test_a_forward_model_knows_no_later_steps() -> None:
    estimator = fitted("state")
    whole = estimator.transform_steps(WAVES)
    for k, wave in enumerate(WAVES):
        np.testing.assert_array_equal(estimator.transform_steps([wave[:2]])[0], whole[k][:2])


def test_alone_and_in_company_the_bits_are_the_same() -> None:
    estimator = fitted("repeat")
    together = estimator.transform_steps(WAVES)
    for k, wave in enumerate(WAVES):
        np.testing.assert_array_equal(estimator.transform_steps([wave])[0], together[k])


def test_the_last_state_is_what_the_vector_is_made_of() -> None:
    estimator = fitted("stacked", hidden_size=None, latent_size="auto")
    last = [state[-1] for state in estimator.transform_steps(WAVES)]
    np.testing.assert_allclose(np.array(last), estimator.transform(WAVES), rtol=0, atol=1e-6)


def test_tokens_have_states() -> None:
    words = ["anna", "bob", "eve"]
    settings = {"latent_size": 2, "hidden_size": 4, "max_epochs": 1, "random_state": 0, "verbose": False}
    states = SequenceAutoencoder("tokens", **settings).fit(words).transform_steps(words)  # pyright: ignore
    assert states.lengths.tolist() == [4, 3, 3]


@pytest.mark.parametrize("preset", ["linear", "hybrid", "conv"])
def test_models_without_such_states_say_so(preset: str) -> None:
    estimator = SequenceAutoencoder(preset, max_epochs=1, verbose=False).fit(WAVES)
    with pytest.raises(InvalidParameter, match="no state after each step"):
        estimator.transform_steps(WAVES)


def test_an_unfitted_model_has_none() -> None:
    with pytest.raises(NotFitted):
        SequenceAutoencoder("state").transform_steps(WAVES)
